//! The operations of a specification.

use serde_json::{Map, Value};

/// Returns every operation.
pub(super) fn operations(whole: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = whole["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut)
}
