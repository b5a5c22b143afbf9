//! The stores of this crate do what every store must.

use mainspring_core::store::SharedStore;
use mainspring_core::store::conformance::{conforms, conforms_at_random};

#[test]
fn the_memory_store_keeps_every_rule() {
    conforms::<SharedStore<usize>>();
}

#[test]
fn the_memory_store_answers_as_a_list_does() {
    conforms_at_random::<SharedStore<usize>>();
}
