//! Where a firing runs: on a loop, in a worker, or as its executor says.
//!
//! A pure function of what the host knows of the job, of its executor and of its loops, for a host that has loops, which
//! run coroutines, and pools of workers, which run functions. Everything that sends or begins a firing asks it.

/// Where a firing runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// As a task of the loop for coroutines.
    Task,
    /// On the loop for coroutines, which calls the function at once.
    Call,
    /// In a worker of the executor's pool.
    Worker,
    /// The executor is asked, on the loop that asks executors, and goes on with the firing in its own way.
    Asked,
}

/// How an executor runs what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// Functions in a pool of workers, coroutines on the loop.
    Pool,
    /// It does nothing with a function but call it at once, and nothing with a coroutine but await it.
    Caller,
    /// As it likes.
    Own,
}

/// Where the loop for coroutines is, as seen from the loop that asks executors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coroutines {
    /// It is that loop.
    Here,
    /// It is another loop.
    Elsewhere,
    /// There is none.
    Nowhere,
}

impl Placement {
    /// Where a firing runs whose function gives a coroutine or not.
    pub fn of(gives_coroutine: bool, runner: Runner, coroutines: Coroutines) -> Self {
        match (runner, gives_coroutine, coroutines) {
            (Runner::Pool, true, Coroutines::Here | Coroutines::Elsewhere) => Self::Task,
            // A worker finds out how to end a coroutine that no loop runs.
            (Runner::Pool, ..) => Self::Worker,
            (Runner::Caller, true, Coroutines::Here) => Self::Task,
            // Here only: what the function returns may have to be awaited.
            (Runner::Caller, false, Coroutines::Here) => Self::Call,
            (Runner::Caller | Runner::Own, ..) => Self::Asked,
        }
    }

    /// Whether the loop for coroutines begins it.
    pub fn is_on_loop(self) -> bool {
        matches!(self, Self::Task | Self::Call)
    }
}

#[cfg(test)]
mod tests {
    use super::Coroutines::{Elsewhere, Here, Nowhere};
    use super::Placement::{Asked, Call, Task, Worker};
    use super::Runner::{Caller, Own, Pool};
    use super::*;

    const LOOPS: [Coroutines; 3] = [Here, Elsewhere, Nowhere];

    #[test]
    fn every_case_is_as_this_table_says() {
        let table = [
            // Runner, gives a coroutine: here, elsewhere, nowhere.
            (Pool, true, [Task, Task, Worker]),
            (Pool, false, [Worker, Worker, Worker]),
            (Caller, true, [Task, Asked, Asked]),
            (Caller, false, [Call, Asked, Asked]),
            (Own, true, [Asked, Asked, Asked]),
            (Own, false, [Asked, Asked, Asked]),
        ];
        for (runner, gives_coroutine, places) in table {
            for (coroutines, place) in LOOPS.into_iter().zip(places) {
                let found = Placement::of(gives_coroutine, runner, coroutines);
                assert_eq!(found, place, "{runner:?}, {gives_coroutine}, {coroutines:?}");
            }
        }
    }

    #[test]
    fn no_loop_is_given_anything_where_there_is_none() {
        for runner in [Pool, Caller, Own] {
            for gives_coroutine in [true, false] {
                assert!(!Placement::of(gives_coroutine, runner, Nowhere).is_on_loop());
            }
        }
    }

    #[test]
    fn an_executor_with_ways_of_its_own_is_always_asked() {
        for coroutines in LOOPS {
            assert_eq!(Placement::of(true, Own, coroutines), Asked);
            assert_eq!(Placement::of(false, Own, coroutines), Asked);
        }
    }
}
