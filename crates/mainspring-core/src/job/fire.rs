//! A fire: one nominal time of one job, by which all that is told of its run can be put together, and how it ended.

use super::JobKey;
use crate::time::UtcMicros;

/// One fire of a job, and which attempt at it this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fire {
    /// The job.
    pub key: JobKey,
    /// When the job was to run.
    pub scheduled: UtcMicros,
    /// Which attempt this is, from 1 on.
    pub attempt: u32,
}

impl Fire {
    /// The first attempt at a fire.
    pub const fn first(key: JobKey, scheduled: UtcMicros) -> Self {
        Self { key, scheduled, attempt: 1 }
    }
}

/// How a fire ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// The job's function returned.
    Executed,
    /// It raised an exception.
    Error,
    /// It would have begun later than its grace time allows.
    Missed,
    /// It was cancelled, or what it waits for has gone.
    Cancelled,
    /// A signal that is to end the program arrived in it.
    Interrupted,
    /// An executor that keeps its own account has taken it over.
    HandedOver,
    /// No executor is left that could run it, and no listener that could be told of it.
    Lost,
}

impl Ended {
    /// Whether the later fires of a submission end with this one: a user who cancels a run or ends the program
    /// wants no more of them.
    pub const fn ends_submission(self) -> bool {
        !matches!(self, Self::Executed | Self::Error | Self::Missed)
    }
}
