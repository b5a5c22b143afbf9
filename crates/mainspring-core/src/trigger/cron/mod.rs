//! The cron trigger: fires when the clock on the wall matches eight fields, as the UNIX cron does.

mod digits;
pub mod expr;
pub mod field;
mod quartz;
mod search;
mod sets;

use self::expr::Expr;
use self::field::{Field, FieldName};
use self::sets::FieldSets;
use super::jitter::{self, JitterSource};
use crate::error::Error;
use crate::time::{UtcMicros, Zone};

/// The eight fields of a cron trigger, the most significant first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronFields {
    fields: Box<[Field; 8]>,
    sets: FieldSets,
}

impl CronFields {
    /// Parses the expressions given, in the order of [`FieldName::ALL`]; `None` for a field left out.
    ///
    /// A field left out matches its least value when it is less significant than all that were given,
    /// and every value otherwise.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidValue`] with APScheduler's message.
    pub fn parse(given: [Option<&str>; 8]) -> Result<Self, Error> {
        let last_given = given.iter().rposition(Option::is_some);
        let mut fields = Vec::with_capacity(8);
        for (i, (name, text)) in FieldName::ALL.into_iter().zip(given).enumerate() {
            fields.push(match text {
                Some(text) => Field::parse(name, text)?,
                None if last_given.is_some_and(|last| i > last) => Field::left_out(name, name.default_expr()),
                None => Field::left_out(name, Expr::All { step: None }),
            });
        }
        Self::from_fields(fields)
    }

    /// Parses `minute hour day month day_of_week`, the five fields of a crontab line.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidValue`] with APScheduler's message.
    pub fn from_crontab(line: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let [minute, hour, day, month, day_of_week] = parts[..] else {
            return Err(Error::invalid(format!("Wrong number of fields; got {}, expected 5", parts.len())));
        };
        Self::parse([None, Some(month), Some(day), None, Some(day_of_week), Some(hour), Some(minute), None])
    }

    /// Parses a Quartz expression, `second minute hour day-of-month month day-of-week [year]`, by the rules
    /// of the `cron` crate. Sunday is 1 there; `?` stands for `*` in the two day fields.
    ///
    /// When both day fields are restricted, a day must match both. (Quartz refuses that; the UNIX cron takes
    /// a day that matches either.) Quartz's `L`, `W`, `#` and `C` are not supported.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidValue`] that names what is wrong or not supported.
    pub fn from_quartz(text: &str) -> Result<Self, Error> {
        quartz::parse(text)
    }

    /// Puts eight fields together, as they come out of a pickle.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidValue`] unless they are all eight in the order of [`FieldName::ALL`].
    pub fn from_fields(fields: Vec<Field>) -> Result<Self, Error> {
        if !fields.iter().map(Field::name).eq(FieldName::ALL) {
            return Err(Error::invalid("a cron trigger takes all eight fields, the most significant first"));
        }
        match <Box<[Field; 8]>>::try_from(fields.into_boxed_slice()) {
            Ok(fields) => Ok(Self { sets: FieldSets::new(&fields), fields }),
            Err(_) => Err(Error::invalid("a cron trigger takes eight fields")),
        }
    }

    /// The fields in the order of [`FieldName::ALL`].
    pub fn as_slice(&self) -> &[Field] {
        self.fields.as_slice()
    }
}

/// Fires at every instant at which the clock on the wall of `zone` matches all fields.
#[derive(Clone, Debug, PartialEq)]
pub struct CronTrigger {
    fields: CronFields,
    zone: Zone,
    start: Option<UtcMicros>,
    end: Option<UtcMicros>,
    jitter: i64,
}

impl CronTrigger {
    /// A trigger of `fields` on the clock of `zone`, not before `start`, not after `end`, each time up to
    /// `jitter` microseconds late.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidValue`] for a negative jitter.
    pub fn new(
        fields: CronFields,
        zone: Zone,
        start: Option<UtcMicros>,
        end: Option<UtcMicros>,
        jitter: i64,
    ) -> Result<Self, Error> {
        Ok(Self { fields, zone, start, end, jitter: jitter::check(jitter)? })
    }

    /// Its fields.
    pub fn fields(&self) -> &CronFields {
        &self.fields
    }

    /// The zone whose clock it reads.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Nothing fires before this.
    pub fn start(&self) -> Option<UtcMicros> {
        self.start
    }

    /// Nothing fires after this.
    pub fn end(&self) -> Option<UtcMicros> {
        self.end
    }

    /// How late a fire time may be, in microseconds.
    pub fn jitter(&self) -> i64 {
        self.jitter
    }

    /// See [`super::Trigger::next_fire_time`]. The search starts just after `previous` or, without one, at
    /// `now` or the start, whichever is later. As in APScheduler, it starts at `now` already when that is
    /// before `previous`, and `start` is looked at only without a `previous`.
    ///
    /// # Errors
    ///
    /// What a host zone raised.
    pub fn next_fire_time(
        &self,
        previous: Option<UtcMicros>,
        now: UtcMicros,
        source: &mut dyn JitterSource,
    ) -> Result<Option<UtcMicros>, Error> {
        let from = match previous {
            Some(previous) if now < previous => Some(now),
            Some(previous) => previous.checked_add(1),
            None => Some(self.not_before_start(now)),
        };
        let Some(from) = from else { return Ok(None) };
        let end = self.end.unwrap_or(UtcMicros::MAX);
        Ok(self.first_from(from)?.map(|t| jitter::add(t, self.jitter, source).min(end)))
    }

    /// See [`super::Trigger::own_after`].
    pub(super) fn own_after(
        &self,
        previous: Option<UtcMicros>,
        now: UtcMicros,
    ) -> Result<Option<UtcMicros>, Error> {
        let from = match previous {
            Some(previous) => previous.checked_add(1),
            None => Some(now),
        };
        from.map_or(Ok(None), |from| self.first_from(self.not_before_start(from)))
    }

    fn not_before_start(&self, t: UtcMicros) -> UtcMicros {
        self.start.map_or(t, |start| start.max(t))
    }

    /// The first match from `from` on that is not after the end.
    fn first_from(&self, from: UtcMicros) -> Result<Option<UtcMicros>, Error> {
        let next = search::next(&self.fields.sets, &self.zone, from)?;
        Ok(next.filter(|t| self.end.is_none_or(|end| *t <= end)))
    }

    /// See [`super::Trigger::latest_fire_time`].
    pub(crate) fn latest_fire_time(&self, due: UtcMicros, now: UtcMicros) -> Result<UtcMicros, Error> {
        let until = now.min(self.end.unwrap_or(UtcMicros::MAX));
        let latest = search::previous(&self.fields.sets, &self.zone, until)?;
        Ok(latest.map_or(due, |t| t.max(due)))
    }
}
