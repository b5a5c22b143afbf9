//! One expression of a cron field: `*/5`, `mon-fri`, `2nd fri`, `last` ...

use std::borrow::Cow;
use std::fmt;

use super::digits;
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
        /// The last month; `first` where there is one month.
        last: u16,
    },
    /// `mon` or `mon-fri`.
    Weekdays {
        /// The first weekday, Monday = 0.
        first: u16,
        /// The last weekday; `first` where there is one weekday.
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
    /// Parses one expression of the field `name`. The whole text must match: APScheduler takes `mon-fri/2`
    /// for `mon-fri` and `lastly` for `last`, which hides a mistake.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidValue`] with APScheduler's message.
    pub fn parse(name: FieldName, text: &str) -> Result<Self, Error> {
        if let Some(numbers) = Numbers::split(text) {
            return numbers.into_expr(name, text);
        }
        let parsed = match name {
            FieldName::Month => named_range(text, "month", &MONTHS)?
                .map(|(first, last)| Self::Months { first: first + 1, last: last + 1 }),
            FieldName::DayOfWeek => {
                named_range(text, "weekday", &WEEKDAYS)?.map(|(first, last)| Self::Weekdays { first, last })
            }
            FieldName::Day if text.eq_ignore_ascii_case("last") => Some(Self::LastDay),
            FieldName::Day => weekday_position(text)?,
            _ => None,
        };
        parsed.ok_or_else(|| {
            Error::invalid(format!("Unrecognized expression \"{text}\" for field \"{}\"", name.as_str()))
        })
    }

    /// Checks that a field `name` can hold this expression.
    ///
    /// # Errors
    ///
    /// As [`Expr::parse`].
    pub fn check(&self, name: FieldName) -> Result<(), Error> {
        if Self::parse(name, &self.to_string())? == *self {
            Ok(())
        } else {
            Err(Error::invalid(format!("Unrecognized expression \"{self}\" for field \"{}\"", name.as_str())))
        }
    }
}

/// The parts of `*`, `*/n`, `a`, `a-b`, `a/n` and `a-b/n`.
struct Numbers<'a> {
    first: Option<Number<'a>>,
    last: Option<Number<'a>>,
    step: Option<Number<'a>>,
}

impl<'a> Numbers<'a> {
    /// `None` when the text has another form.
    fn split(text: &'a str) -> Option<Self> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(Number::parse(step)?)),
            None => (text, None),
        };
        if range == "*" {
            return Some(Self { first: None, last: None, step });
        }
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (first, Some(Number::parse(last)?)),
            None => (range, None),
        };
        Some(Self { first: Some(Number::parse(first)?), last, step })
    }

    /// Checks the values as APScheduler does: in its order, with its words.
    fn into_expr(self, name: FieldName, text: &str) -> Result<Expr, Error> {
        let (min, max) = (i64::from(name.min()), i64::from(name.max()));
        let invalid = |what: String| Error::invalid(format!("Error validating expression '{text}': {what}"));
        let step_within = |range: i64| match &self.step {
            Some(step) if step.value > range => Err(invalid(format!(
                "the step value ({}) is higher than the total range of the expression ({range})",
                step.digits
            ))),
            _ => Ok(()),
        };

        if self.step.as_ref().is_some_and(|step| step.value == 0) {
            return Err(Error::invalid("Increment must be higher than 0"));
        }
        let narrow = |number: &Number<'_>| number.value as u16;
        let Some(first) = &self.first else {
            step_within(max - min)?;
            return Ok(Expr::All { step: self.step.as_ref().map(narrow) });
        };
        let last = if self.step.is_none() { self.last.as_ref().or(Some(first)) } else { self.last.as_ref() };
        if last.is_some_and(|last| first.value > last.value) {
            return Err(Error::invalid("The minimum value in a range must not be higher than the maximum"));
        }
        step_within(max - min)?;
        if first.value < min {
            return Err(invalid(format!(
                "the first value ({}) is lower than the minimum value ({min})",
                first.digits
            )));
        }
        if let Some(last) = last.filter(|last| last.value > max) {
            return Err(invalid(format!(
                "the last value ({}) is higher than the maximum value ({max})",
                last.digits
            )));
        }
        // A last value of 0 counts as none for this check alone, as in APScheduler.
        step_within(last.map_or(max, |last| if last.value == 0 { max } else { last.value }) - first.value)?;
        // All values lie within the field's bounds now.
        Ok(Expr::Range { first: narrow(first), last: last.map(narrow), step: self.step.as_ref().map(narrow) })
    }
}

/// A decimal number; too great a one is held at the greatest value, its digits are kept for messages.
struct Number<'a> {
    value: i64,
    digits: Cow<'a, str>,
}

impl<'a> Number<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let digits = match digits::to_ascii(text)? {
            Cow::Borrowed(digits) => Cow::Borrowed(significant(digits)),
            Cow::Owned(digits) => Cow::Owned(significant(&digits).to_owned()),
        };
        // Far above every bound and far below overflow in the arithmetic above.
        const TOO_GREAT: i64 = i64::MAX / 4;
        Some(Self { value: digits.parse().unwrap_or(TOO_GREAT).min(TOO_GREAT), digits })
    }
}

fn significant(digits: &str) -> &str {
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() { "0" } else { significant }
}

/// The indices of `first` or `first-last` in `names`; `None` when the text has another form.
fn named_range(text: &str, what: &str, names: &[&str]) -> Result<Option<(u16, u16)>, Error> {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphabetic());
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    if !is_word(first) || !is_word(last) {
        return Ok(None);
    }
    let (first, last) = (index(first, what, names)?, index(last, what, names)?);
    if first > last {
        return Err(Error::invalid("The minimum value in a range must not be higher than the maximum"));
    }
    Ok(Some((first, last)))
}

/// `2nd fri`, `last sun`; `None` when the text has another form.
fn weekday_position(text: &str) -> Result<Option<Expr>, Error> {
    let Some((position, weekday)) = text.split_once(' ') else { return Ok(None) };
    let weekday = weekday.trim_start_matches(' ');
    let is_word = weekday.chars().all(|c| c.is_alphanumeric() || c == '_') && !weekday.is_empty();
    match POSITIONS.iter().position(|p| p.eq_ignore_ascii_case(position)) {
        Some(position) if is_word => Ok(Some(Expr::WeekdayPosition {
            position: position as u8,
            weekday: index(weekday, "weekday", &WEEKDAYS)? as u8,
        })),
        _ => Ok(None),
    }
}

fn index(word: &str, what: &str, names: &[&str]) -> Result<u16, Error> {
    match names.iter().position(|name| name.eq_ignore_ascii_case(word)) {
        Some(i) => Ok(i as u16),
        None => Err(Error::invalid(format!("Invalid {what} name \"{word}\""))
            .with_note(format!("expected one of {}", names.join(", ")))),
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
                    // `0-0/5` is not `0/5`, though APScheduler writes it so.
                    Some(last) if last != first || step.is_some() => write!(f, "{first}-{last}")?,
                    _ => write!(f, "{first}")?,
                }
                step.map_or(Ok(()), |step| write!(f, "/{step}"))
            }
            Self::Months { first, last } => {
                named(f, &MONTHS, first.saturating_sub(1), last.saturating_sub(1))
            }
            Self::Weekdays { first, last } => named(f, &WEEKDAYS, first, last),
            Self::WeekdayPosition { position, weekday } => {
                let position = POSITIONS.get(usize::from(position)).copied().unwrap_or_default();
                write!(f, "{position} ")?;
                named(f, &WEEKDAYS, u16::from(weekday), u16::from(weekday))
            }
            Self::LastDay => f.write_str("last"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FieldName::*;

    #[test]
    fn displays_apschedulers_canonical_form() {
        for (name, text, shown) in [
            (Minute, "*", "*"),
            (Minute, "*/5", "*/5"),
            (Minute, "010", "10"),
            (Minute, "5-5", "5"),
            (Minute, "5/10", "5/10"),
            (Minute, "5-59/10", "5-59/10"),
            (Hour, "0-0/5", "0-0/5"),
            (Month, "JAN-Mar", "jan-mar"),
            (Month, "feb-feb", "feb"),
            (DayOfWeek, "Mon", "mon"),
            (DayOfWeek, "0-4", "0-4"),
            (Day, "LAST  Sun", "last sun"),
            (Day, "3rd fri", "3rd fri"),
            (Day, "Last", "last"),
            (Year, "*/8029", "*/8029"),
        ] {
            let expr = Expr::parse(name, text).unwrap();
            assert_eq!(expr.to_string(), shown);
            assert_eq!(Expr::parse(name, shown).unwrap(), expr);
            expr.check(name).unwrap();
        }
    }

    /// The messages were taken down from APScheduler 3.11.3.
    #[test]
    fn refuses_with_apschedulers_messages() {
        let weekday = |word| format!("Invalid weekday name \"{word}\"");
        let month = |word| format!("Invalid month name \"{word}\"");
        let step = |text, step, range| {
            format!(
                "Error validating expression '{text}': the step value ({step}) is higher than the total \
                 range of the expression ({range})"
            )
        };
        for (name, text, message) in [
            (DayOfWeek, "monfoo", weekday("monfoo")),
            (Day, "2nd friday", weekday("friday")),
            (Day, "1st 3", weekday("3")),
            (Month, "foo", month("foo")),
            (Month, "last", month("last")),
            (
                DayOfWeek,
                "fri-mon",
                "The minimum value in a range must not be higher than the maximum".to_owned(),
            ),
            (Hour, "5-3", "The minimum value in a range must not be higher than the maximum".to_owned()),
            (Hour, "*/0", "Increment must be higher than 0".to_owned()),
            (Hour, "*/24", step("*/24", "24", 23)),
            (Hour, "5-5/1", step("5-5/1", "1", 0)),
            (Minute, "70/5", step("70/5", "5", -11)),
            (Minute, "*/99999999999999999999", step("*/99999999999999999999", "99999999999999999999", 59)),
            (
                Minute,
                "70",
                "Error validating expression '70': the last value (70) is higher than the maximum value (59)"
                    .to_owned(),
            ),
            (
                Month,
                "00",
                "Error validating expression '00': the first value (0) is lower than the minimum value (1)"
                    .to_owned(),
            ),
            (Minute, "", "Unrecognized expression \"\" for field \"minute\"".to_owned()),
            (Hour, "mon", "Unrecognized expression \"mon\" for field \"hour\"".to_owned()),
            (Hour, "-1", "Unrecognized expression \"-1\" for field \"hour\"".to_owned()),
            (Day, "7th fri", "Unrecognized expression \"7th fri\" for field \"day\"".to_owned()),
        ] {
            assert_eq!(Expr::parse(name, text).unwrap_err().message(), message);
        }
        let error = Expr::parse(DayOfWeek, "monfoo").unwrap_err();
        assert_eq!(error.note(), Some("expected one of mon, tue, wed, thu, fri, sat, sun"));
    }

    /// DIFFERENCE: APScheduler's patterns are open at the end, so it takes these for what they begin with.
    #[test]
    fn the_whole_expression_must_match() {
        for (name, text) in [
            (DayOfWeek, "mon3"),
            (DayOfWeek, "mon-fri/2"),
            (DayOfWeek, "mon-"),
            (Day, "lastfoo"),
            (Day, "2nd fri x"),
            (Day, "last mon-fri"),
            (Month, "jan/2"),
        ] {
            let message = format!("Unrecognized expression \"{text}\" for field \"{}\"", name.as_str());
            assert_eq!(Expr::parse(name, text).unwrap_err().message(), message);
        }
    }

    #[test]
    fn checks_what_it_did_not_parse() {
        assert!(Expr::LastDay.check(Hour).is_err());
        assert!(Expr::Months { first: 0, last: 3 }.check(Month).is_err());
        assert!(Expr::Weekdays { first: 2, last: 9 }.check(DayOfWeek).is_err());
        assert!(Expr::WeekdayPosition { position: 9, weekday: 0 }.check(Day).is_err());
        assert!(Expr::Range { first: 3, last: None, step: None }.check(Hour).is_err());
        assert!(Expr::Range { first: 3, last: Some(24), step: None }.check(Hour).is_err());
    }
}
