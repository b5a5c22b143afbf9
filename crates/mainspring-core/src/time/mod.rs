//! What time is: instants, clocks, civil dates and time zones.

pub(crate) mod calendar;
mod clock;
mod instant;
mod zone;

pub use self::calendar::{CivilDate, CivilMicros};
pub use self::clock::{Clock, ManualClock, StepDetector, SystemClock};
pub use self::instant::{MICROS_PER_SECOND, UtcMicros};
pub use self::zone::{HostZone, Resolution, Zone};
