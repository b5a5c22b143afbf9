//! What follows from the table of fields in `fields.rs`: the names in it are those of that file.

/// Makes of the table the enum `Field`, the struct `Fields` and the attributes of `Job`.
macro_rules! fields {
    ($(
        $name:ident: $kind:ident,
        $(policy.$rule:ident)? $(record.$object:ident)? $(entry.$part:ident)?,
        $pickled:ident;
    )*) => {
        /// A field of a job.
        #[allow(non_camel_case_types, reason = "they are called as Python calls them")]
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub enum Field {
            $($name,)*
        }

        impl Field {
            pub const ALL: [Self; Self::COUNT] = [$(Self::$name,)*];
            pub const COUNT: usize = [$(stringify!($name),)*].len();

            /// The field with this name.
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $(stringify!($name) => Some(Self::$name),)*
                    _ => None,
                }
            }

            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            pub fn part(self) -> Part {
                match self {
                    $(Self::$name => part!($(policy $rule)? $(record $object)? $(entry $part)?),)*
                }
            }

            /// The fields that are there.
            pub fn in_part(part: Part) -> impl Iterator<Item = Self> {
                Self::ALL.into_iter().filter(move |field| field.part() == part)
            }

            pub fn pickled(self) -> Pickled {
                match self {
                    $(Self::$name => Pickled::$pickled,)*
                }
            }
        }

        /// Fields of a job, those that are set: all that a detached one has, or those that a change is to change.
        #[derive(Default)]
        pub struct Fields {
            $(pub $name: Option<<$kind as Kind>::Value>,)*
        }

        impl Fields {
            pub const UNSET: Self = Self { $($name: None,)* };

            pub fn clone_ref(&self, py: Python<'_>) -> Self {
                Self { $($name: self.$name.as_ref().map(|value| $kind::clone_ref(py, value)),)* }
            }

            pub fn is_set(&self, field: Field) -> bool {
                match field {
                    $(Field::$name => self.$name.is_some(),)*
                }
            }

            /// A field as Python sees it.
            pub fn show<'py>(&self, py: Python<'py>, field: Field) -> PyResult<Bound<'py, PyAny>> {
                let shown = match field {
                    $(Field::$name => match &self.$name {
                        Some(value) => Some($kind::shown(py, value)),
                        None => $kind::unset().map(|value| $kind::shown(py, &value)),
                    },)*
                };
                shown.ok_or_else(|| unset(field))
            }

            /// Sets a field to what has been assigned to it.
            pub fn assign(&mut self, field: Field, given: &Bound<'_, PyAny>) -> PyResult<()> {
                match field {
                    $(Field::$name => self.$name = Some($kind::assigned(given)?),)*
                }
                Ok(())
            }

            /// Sets a field to what a change may give it.
            pub fn check(&mut self, field: Field, given: &Bound<'_, PyAny>) -> PyResult<()> {
                match field {
                    $(Field::$name => self.$name = Some($kind::checked(given, stringify!($name))?),)*
                }
                Ok(())
            }

            /// What a change gives one field, and no other.
            pub fn checked(field: Field, given: &Bound<'_, PyAny>) -> PyResult<Self> {
                let mut this = Self::default();
                this.check(field, given)?;
                Ok(this)
            }

            /// Takes a field out, for the caller to drop.
            #[must_use]
            pub fn take(&mut self, field: Field) -> Self {
                let mut taken = Self::default();
                match field {
                    $(Field::$name => taken.$name = self.$name.take(),)*
                }
                taken
            }

            /// Writes the fields that are set into `fields`; returns what was there before, for the caller to drop.
            #[must_use]
            pub fn write_to(&self, py: Python<'_>, fields: &mut Self) -> Self {
                let mut old = Self::default();
                $(if let Some(value) = &self.$name {
                    old.$name = fields.$name.replace($kind::clone_ref(py, value));
                })*
                old
            }

            pub fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
                $(visit.call(self.$name.as_ref().and_then($kind::object))?;)*
                Ok(())
            }

            /// Whether a field is set that is in a place of these.
            pub fn touches(&self, these: impl Fn(Part) -> bool) -> bool {
                false $(|| (self.$name.is_some() && these(Field::$name.part())))*
            }

            /// `policy` with what is given of its fields, checked.
            pub fn checked_policy<'a, 'py: 'a>(
                mut policy: RunPolicy,
                given: impl Fn(Field) -> PyResult<Option<&'a Bound<'py, PyAny>>>,
            ) -> PyResult<RunPolicy> {
                $($(if let Some(value) = given(Field::$name)? {
                    policy.$rule = $kind::checked(value, stringify!($name))?;
                })?)*
                Ok(policy)
            }

            /// `policy` with the fields that are set.
            pub fn policy(&self, mut policy: RunPolicy) -> RunPolicy {
                $($(if let Some(value) = self.$name {
                    policy.$rule = value;
                })?)*
                policy
            }

            /// The policy, of which all fields must be set but those that a job may lack.
            pub fn whole_policy(&self) -> PyResult<RunPolicy> {
                $($(let $rule = match self.$name {
                    Some(value) => value,
                    None if Field::$name.pickled() == Pickled::UnlessDefault => RunPolicy::DEFAULT.$rule,
                    None => return Err(unset(Field::$name)),
                };)?)*
                Ok(RunPolicy { $($($rule,)?)* })
            }

            /// Sets the fields of `policy`.
            pub fn set_policy(&mut self, policy: RunPolicy) {
                $($(self.$name = Some(policy.$rule);)?)*
            }

            /// Sets the fields of a record that are a value each.
            pub fn set_record(&mut self, py: Python<'_>, record: &Record) {
                $($(self.$name = Some($kind::clone_ref(py, &record.$object));)?)*
            }

            /// Puts those of them that are set into `record`.
            pub fn change_record(&self, py: Python<'_>, record: &mut Record) {
                $($(if let Some(value) = &self.$name {
                    record.$object = $kind::clone_ref(py, value);
                })?)*
            }

            /// The record of a job with these fields, all of which must be set.
            pub fn into_record(self, zone: Option<Arc<TimeZone>>) -> PyResult<Record> {
                Ok(Record {
                    $($($object: or_unset::<$kind>(self.$name, Field::$name)?,)?)*
                    func: or_unset::<Object>(self.func, Field::func)?,
                    func_ref: or_unset::<Reference>(self.func_ref, Field::func_ref)?,
                    args: or_unset::<Object>(self.args, Field::args)?,
                    kwargs: Some(or_unset::<Object>(self.kwargs, Field::kwargs)?),
                    trigger: Some(or_unset::<Trigger>(self.trigger, Field::trigger)?),
                    zone,
                })
            }
        }

        impl Record {
            pub fn clone_ref(&self, py: Python<'_>) -> Self {
                let object = |object: &Option<Py<PyAny>>| object.as_ref().map(|object| object.clone_ref(py));
                Self {
                    $($($object: $kind::clone_ref(py, &self.$object),)?)*
                    func: self.func.clone_ref(py),
                    func_ref: self.func_ref.clone_ref(py),
                    args: self.args.clone_ref(py),
                    kwargs: object(&self.kwargs),
                    trigger: object(&self.trigger),
                    zone: self.zone.clone(),
                }
            }
        }

        $($(attribute!($name, $kind, |seen| seen.policy.$rule);)?)*
        $($(attribute!($name, $kind, |seen| seen.record.$object);)?)*
    };
}

/// Which part has a field.
macro_rules! part {
    (policy $rule:ident) => {
        Part::Policy
    };
    (record $object:ident) => {
        Part::Record
    };
    (entry $part:ident) => {
        Part::$part
    };
}

/// The attribute of `Job` of a field that is a value in the entry of a linked one.
macro_rules! attribute {
    ($name:ident, $kind:ident, |$seen:ident| $value:expr) => {
        #[pymethods]
        impl Job {
            #[getter]
            pub(in crate::job) fn $name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                match self.seen() {
                    Some($seen) => Ok($kind::shown(py, &$value)),
                    None => self.show(py, Field::$name),
                }
            }
        }
    };
}
