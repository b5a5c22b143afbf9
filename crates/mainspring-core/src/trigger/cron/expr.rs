//! One expression of a cron field: `*/5`, `mon-fri`, `2nd fri`, `last` ...

use std::fmt;

use super::field::FieldName;
use crate::error::Error;

/// English abbreviations of the weekdays, Monday = 0.
pub const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// English abbreviations of the months, January = 0.
pub const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
/// Which of a month's weekdays, first = 0.
pub const POSITIONS: [&str; 6] = ["1st", "2nd", "3rd", "4th", "5th", "last"];

/// One expression of a field. Displays in APScheduler's canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expr {
    /// `*` or `*/step`: every `step`th value from the field's least one on.
    All {
        /// The step, if one was given.
        step: Option<u16>,
    },
    /// `first`, `first-last`, `first/step` or `first-last/step`.
    Range {
        /// The first value.
        first: u16,
        /// The last value; `None` (only with a step): the field's greatest.
        last: Option<u16>,
        /// The step, if one was given.
        step: Option<u16>,
    },
    /// `jan` or `jan-mar`.
    Months {
        /// The first month, January = 1.
        first: u16,
        /// The last month, the same as `first` for a single one.
        last: u16,
    },
    /// `mon` or `mon-fri`.
    Weekdays {
        /// The first weekday, Monday = 0.
        first: u16,
        /// The last weekday, the same as `first` for a single one.
        last: u16,
    },
    /// `2nd fri`, `last sun`: one weekday of the month.
    WeekdayPosition {
        /// Index in [`POSITIONS`]: 0 to 4 counted from the first of the month, 5 for the last one.
        position: u8,
        /// The weekday, Monday = 0.
        weekday: u8,
    },
    /// `last`: the last day of the month.
    LastDay,
}

impl Expr {
    /// Parses one expression of the field `name`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidValue`] with APScheduler's message.
    pub fn parse(name: FieldName, text: &str) -> Result<Self, Error> {
        let _ = (name, text);
        Err(Error::invalid("not yet"))
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |f: &mut fmt::Formatter<'_>, names: &[&str], first: u16, last: u16| {
            let name = |i: u16| names.get(usize::from(i)).copied().unwrap_or_default();
            if first == last { f.write_str(name(first)) } else { write!(f, "{}-{}", name(first), name(last)) }
        };
        match *self {
            Self::All { step: None } => f.write_str("*"),
            Self::All { step: Some(step) } => write!(f, "*/{step}"),
            Self::Range { first, last, step } => {
                match last {
                    Some(last) if last != first => write!(f, "{first}-{last}")?,
                    _ => write!(f, "{first}")?,
                }
                step.map_or(Ok(()), |step| write!(f, "/{step}"))
            }
            Self::Months { first, last } => named(f, &MONTHS, first - 1, last - 1),
            Self::Weekdays { first, last } => named(f, &WEEKDAYS, first, last),
            Self::WeekdayPosition { position, weekday } => {
                write!(f, "{} {}", POSITIONS[usize::from(position)], WEEKDAYS[usize::from(weekday)])
            }
            Self::LastDay => f.write_str("last"),
        }
    }
}
