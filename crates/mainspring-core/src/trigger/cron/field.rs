//! A cron field: its name, its bounds and its list of expressions.

use std::fmt;

use super::expr::Expr;
use crate::error::Error;

/// The eight fields, the most significant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldName {
    /// The calendar year, 1970 to 9999.
    Year,
    /// The month, January = 1.
    Month,
    /// The day of the month, from 1.
    Day,
    /// The ISO 8601 week, 1 to 53.
    Week,
    /// The weekday, Monday = 0.
    DayOfWeek,
    /// The hour, 0 to 23.
    Hour,
    /// The minute, 0 to 59.
    Minute,
    /// The second, 0 to 59.
    Second,
}

impl FieldName {
    /// All fields, the most significant first.
    pub const ALL: [Self; 8] = [
        Self::Year,
        Self::Month,
        Self::Day,
        Self::Week,
        Self::DayOfWeek,
        Self::Hour,
        Self::Minute,
        Self::Second,
    ];

    /// The name as APScheduler writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
            Self::Week => "week",
            Self::DayOfWeek => "day_of_week",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
        }
    }

    /// The least value.
    pub const fn min(self) -> u16 {
        match self {
            Self::Year => 1970,
            Self::Month | Self::Day | Self::Week => 1,
            Self::DayOfWeek | Self::Hour | Self::Minute | Self::Second => 0,
        }
    }

    /// The greatest value.
    pub const fn max(self) -> u16 {
        match self {
            Self::Year => 9999,
            Self::Month => 12,
            Self::Day => 31,
            Self::Week => 53,
            Self::DayOfWeek => 6,
            Self::Hour => 23,
            Self::Minute | Self::Second => 59,
        }
    }

    /// The expression of a field that was not given and is less significant than all that were.
    pub const fn default_expr(self) -> Expr {
        match self {
            Self::Year | Self::Week | Self::DayOfWeek => Expr::All { step: None },
            Self::Month | Self::Day => Expr::Range { first: 1, last: Some(1), step: None },
            Self::Hour | Self::Minute | Self::Second => Expr::Range { first: 0, last: Some(0), step: None },
        }
    }
}

/// One field of a cron trigger. Displays in APScheduler's canonical form, the expressions joined by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    name: FieldName,
    is_default: bool,
    exprs: Box<[Expr]>,
}

impl Field {
    /// Parses a comma-separated list of expressions.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidValue`] with APScheduler's message.
    pub fn parse(name: FieldName, text: &str) -> Result<Self, Error> {
        let exprs: Result<Box<[Expr]>, Error> = text
            .trim_matches(is_blank)
            .split(',')
            .map(|part| Expr::parse(name, part.trim_matches(' ')))
            .collect();
        Ok(Self { name, is_default: false, exprs: exprs? })
    }

    /// A field made of `exprs`, as they come out of a pickle.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidValue`] when there are none, or the field cannot hold one of them.
    pub fn new(name: FieldName, exprs: Vec<Expr>, is_default: bool) -> Result<Self, Error> {
        if exprs.is_empty() {
            return Err(Error::invalid(format!("field \"{}\" needs an expression", name.as_str())));
        }
        exprs.iter().try_for_each(|expr| expr.check(name))?;
        Ok(Self { name, is_default, exprs: exprs.into() })
    }

    /// A field that was left out and has the one expression `expr`.
    pub(crate) fn left_out(name: FieldName, expr: Expr) -> Self {
        Self { name, is_default: true, exprs: Box::new([expr]) }
    }

    /// Which field it is.
    pub fn name(&self) -> FieldName {
        self.name
    }

    /// Whether the field was left out, so that `str()` and `repr()` leave it out too.
    pub fn is_default(&self) -> bool {
        self.is_default
    }

    /// Its expressions, at least one.
    pub fn exprs(&self) -> &[Expr] {
        &self.exprs
    }
}

/// What `str.strip` of Python's takes away.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, expr) in self.exprs.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{expr}")?;
        }
        Ok(())
    }
}
