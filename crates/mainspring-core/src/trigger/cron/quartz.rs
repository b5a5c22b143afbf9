//! Cron expressions in Quartz's dialect: parsed by the `cron` crate, rendered in the expressions of this one.

use std::str::FromStr;

use cron::{Schedule, TimeUnitSpec};

use super::CronFields;
use super::expr::Expr;
use super::field::{Field, FieldName};
use crate::error::Error;

/// Quartz's fields in its order.
const ORDER: [FieldName; 7] = [
    FieldName::Second,
    FieldName::Minute,
    FieldName::Hour,
    FieldName::Day,
    FieldName::Month,
    FieldName::DayOfWeek,
    FieldName::Year,
];

/// See [`CronFields::from_quartz`].
pub(super) fn parse(text: &str) -> Result<CronFields, Error> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    if !(6..=7).contains(&parts.len()) {
        return Err(Error::invalid(format!(
            "Wrong number of fields; got {}, expected 6 or 7 \
             (second minute hour day-of-month month day-of-week [year])",
            parts.len()
        )));
    }
    for (name, part) in ORDER.into_iter().zip(&parts) {
        check(name, part)?;
    }
    let schedule = Schedule::from_str(&parts.join(" "))
        .map_err(|e| Error::invalid(format!("Invalid Quartz expression \"{text}\": {e}")))?;
    let field = |name: FieldName| {
        let exprs = match name {
            FieldName::Year => exprs(name, schedule.years(), |n| n),
            FieldName::Month => exprs(name, schedule.months(), |n| n),
            FieldName::Day => exprs(name, schedule.days_of_month(), |n| n),
            FieldName::Week => vec![Expr::All { step: None }],
            // Sunday = 1 there, Monday = 0 here.
            FieldName::DayOfWeek => exprs(name, schedule.days_of_week(), |n| (n + 5) % 7),
            FieldName::Hour => exprs(name, schedule.hours(), |n| n),
            FieldName::Minute => exprs(name, schedule.minutes(), |n| n),
            FieldName::Second => exprs(name, schedule.seconds(), |n| n),
        };
        let given = ORDER.iter().zip(&parts).any(|(given, part)| *given == name && *part != "?");
        Field::new(name, exprs, !given)
    };
    CronFields::from_fields(FieldName::ALL.into_iter().map(field).collect::<Result<_, _>>()?)
}

/// Checks one field by itself, so that the message can name it and what it takes.
fn check(name: FieldName, part: &str) -> Result<(), Error> {
    let what = match name {
        FieldName::Year => "1970-2100",
        FieldName::Month => "1-12 or JAN-DEC",
        FieldName::Day => "1-31 or ?",
        FieldName::Week => "nothing",
        FieldName::DayOfWeek => "1-7 or SUN-SAT or ?",
        FieldName::Hour => "0-23",
        FieldName::Minute | FieldName::Second => "0-59",
    };
    let alone = ORDER.map(|other| if other == name { part } else { "*" }).join(" ");
    if Schedule::from_str(&alone).is_ok() {
        return Ok(());
    }
    let why = match unsupported(name, part) {
        Some(why) => format!(": {why} is not supported"),
        None => format!(", which takes {what}"),
    };
    Err(Error::invalid(format!(
        "Unrecognized Quartz expression \"{part}\" for field \"{}\"{why}",
        name.as_str()
    )))
}

/// What of Quartz's syntax, unknown to the `cron` crate, a part uses.
fn unsupported(name: FieldName, part: &str) -> Option<&'static str> {
    if !matches!(name, FieldName::Day | FieldName::DayOfWeek) {
        return None;
    }
    let part = part.to_ascii_uppercase();
    // No name of a weekday ends in one of these letters.
    let ends_in = |letter: char| part.split(',').any(|item| item.ends_with(letter));
    if part.contains('#') {
        Some("# (the nth weekday of the month)")
    } else if ends_in('W') {
        Some("W (the nearest working day)")
    } else if ends_in('L') || part.starts_with("L-") {
        Some("L (the last day)")
    } else if ends_in('C') {
        Some("C (a calendar)")
    } else {
        None
    }
}

/// The least list of expressions for a set of values.
fn exprs(name: FieldName, set: &impl TimeUnitSpec, convert: impl Fn(u32) -> u32) -> Vec<Expr> {
    if set.is_all() {
        return vec![Expr::All { step: None }];
    }
    let mut values: Vec<u16> = set.iter().map(|n| convert(n) as u16).collect();
    values.sort_unstable();
    if let Some(stepped) = stepped(name, &values) {
        return vec![stepped];
    }
    values.chunk_by(|a, b| b - a == 1).flat_map(|run| runs(name, run)).collect()
}

/// Three or more values at one distance greater than one.
fn stepped(name: FieldName, values: &[u16]) -> Option<Expr> {
    let [first, second, _, ..] = *values else { return None };
    let (last, step) = (*values.last()?, second - first);
    if step == 1 || !values.windows(2).all(|pair| pair[1] - pair[0] == step) || name == FieldName::DayOfWeek {
        return None;
    }
    let to_the_end = last + step > name.max();
    Some(match (first == name.min(), to_the_end) {
        (true, true) => Expr::All { step: Some(step) },
        (false, true) => Expr::Range { first, last: None, step: Some(step) },
        (_, false) => Expr::Range { first, last: Some(last), step: Some(step) },
    })
}

/// A run of successive values: a range from three on, else one by one.
fn runs(name: FieldName, run: &[u16]) -> Vec<Expr> {
    let range = |first: u16, last: u16| match name {
        FieldName::DayOfWeek => Expr::Weekdays { first, last },
        _ => Expr::Range { first, last: Some(last), step: None },
    };
    match *run {
        [first, _, .., last] => vec![range(first, last)],
        _ => run.iter().map(|value| range(*value, *value)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let fields = CronFields::from_quartz(text).unwrap();
        let given = fields.as_slice().iter().filter(|field| !field.is_default());
        given.map(|field| format!("{}='{field}'", field.name().as_str())).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn renders_in_this_crates_expressions() {
        for (text, expected) in [
            (
                "0 */5 9-17 ? * MON-FRI",
                "month='*', day_of_week='mon-fri', hour='9-17', minute='*/5', second='0'",
            ),
            ("0 0 12 1 * ?", "month='*', day='1', hour='12', minute='0', second='0'"),
            (
                "0 0 0 1/10 1,4,7,10 ? 2030-2033",
                "year='2030-2033', month='*/3', day='*/10', hour='0', minute='0', second='0'",
            ),
            (
                "10 5/15 * ? JAN-MAR 1,7",
                "month='1-3', day_of_week='sat,sun', hour='*', minute='5/15', second='10'",
            ),
            (
                "0 0 8-18/2 10,11,20 12 * *",
                "year='*', month='12', day='10,11,20', day_of_week='*', hour='8-18/2', minute='0', second='0'",
            ),
            ("0 0 0 ? * 2", "month='*', day_of_week='mon', hour='0', minute='0', second='0'"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn names_what_it_does_not_take() {
        for (text, message) in [
            (
                "* * * * *",
                "Wrong number of fields; got 5, expected 6 or 7 (second minute hour day-of-month month day-of-week [year])",
            ),
            (
                "0 0 0 L * ?",
                "Unrecognized Quartz expression \"L\" for field \"day\": L (the last day) is not supported",
            ),
            (
                "0 0 0 L-3 * ?",
                "Unrecognized Quartz expression \"L-3\" for field \"day\": L (the last day) is not supported",
            ),
            (
                "0 0 0 ? * 6L",
                "Unrecognized Quartz expression \"6L\" for field \"day_of_week\": L (the last day) is not supported",
            ),
            (
                "0 0 0 15W * ?",
                "Unrecognized Quartz expression \"15W\" for field \"day\": W (the nearest working day) is not supported",
            ),
            (
                "0 0 0 ? * 6#3",
                "Unrecognized Quartz expression \"6#3\" for field \"day_of_week\": # (the nth weekday of the month) is not supported",
            ),
            ("0 60 0 ? * 2", "Unrecognized Quartz expression \"60\" for field \"minute\", which takes 0-59"),
            ("? 0 0 ? * 2", "Unrecognized Quartz expression \"?\" for field \"second\", which takes 0-59"),
            (
                "0 0 0 ? * 8",
                "Unrecognized Quartz expression \"8\" for field \"day_of_week\", which takes 1-7 or SUN-SAT or ?",
            ),
            (
                "0 0 0 1 , 2 * ?",
                "Wrong number of fields; got 8, expected 6 or 7 (second minute hour day-of-month month day-of-week [year])",
            ),
            (
                "0 0 0 1 ,2 * ?",
                "Unrecognized Quartz expression \",2\" for field \"month\", which takes 1-12 or JAN-DEC",
            ),
        ] {
            assert_eq!(CronFields::from_quartz(text).unwrap_err().message(), message, "{text}");
        }
    }
}
