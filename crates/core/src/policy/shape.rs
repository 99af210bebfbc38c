//! Reading a document that people write so that every mistake of shape is found at once: what cannot be read is recorded
//! with its path, taken out, and the rest is read again.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::problem::{Path, Problems, Segment};

/// Read a document. What could not be read is as if it had not been written; the paths of it are in `problems`, so that
/// nobody complains of it twice.
pub fn read<T: DeserializeOwned + Default>(mut value: Value, problems: &mut Problems) -> T {
    // Each mistake costs one more reading of the document.
    for _ in 0..MOST_MISTAKES {
        let error = match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(document) => return document,
            Err(error) => error,
        };
        let path: Path = error.path().iter().filter_map(segment).collect();
        problems.unreadable(path.clone(), error.into_inner().to_string());
        if !prune(&mut value, path.segments()) {
            return T::default();
        }
    }
    problems.unreadable(
        Path::root(),
        format!("these are the first {MOST_MISTAKES} mistakes of this kind: mend them, and check again"),
    );
    T::default()
}

/// More mistakes of shape than this are not looked for in one go.
const MOST_MISTAKES: usize = 100;

fn segment(segment: &serde_path_to_error::Segment) -> Option<Segment> {
    match segment {
        serde_path_to_error::Segment::Seq { index } => Some(Segment::Index(*index)),
        serde_path_to_error::Segment::Map { key } => Some(Segment::Key(key.clone())),
        serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => None,
    }
}

/// A key without a value is null in YAML, and nobody who wrote `scopes:` meant "no scopes". Below what is `free`, null is
/// as good as any other JSON.
pub fn refuse_nulls(value: &mut Value, path: &mut Path, free: fn(&Path) -> bool, problems: &mut Problems) {
    match value {
        Value::Object(map) => map.retain(|key, value| {
            path.push(Segment::Key(key.clone()));
            if value.is_null() {
                problems.unreadable(path.clone(), "no value: give one, or leave the key out".to_owned());
            } else if !free(path) {
                refuse_nulls(value, path, free, problems);
            }
            path.pop();
            !value.is_null()
        }),
        Value::Array(list) => {
            for (index, value) in list.iter_mut().enumerate() {
                path.push(Segment::Index(index));
                refuse_nulls(value, path, free, problems);
                path.pop();
            }
        }
        _ => {}
    }
}

/// A derived reader takes a list of the fields' values for a map; people who write one have forgotten the keys.
pub fn demand_map(value: &mut Value, path: &Path, problems: &mut Problems) {
    if !value.is_object() {
        problems.unreadable(path.clone(), "a map of keys and values is needed here".to_owned());
        *value = Value::Object(Map::new());
    }
}

/// Take out what could not be read; `false` if that is the whole document. List entries are emptied, not removed, so
/// that the others keep their places.
fn prune(value: &mut Value, path: &[Segment]) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    let parent = parents.iter().try_fold(value, |value, segment| match (value, segment) {
        (Value::Object(map), Segment::Key(key)) => map.get_mut(key),
        (Value::Array(list), Segment::Index(index)) => list.get_mut(*index),
        _ => None,
    });
    match (parent, last) {
        (Some(Value::Object(map)), Segment::Key(key)) => map.remove(key).is_some(),
        (Some(Value::Array(list)), Segment::Index(index)) => {
            let empty = Value::String(String::new());
            let Some(slot) = list.get_mut(*index).filter(|slot| **slot != empty) else { return false };
            *slot = empty;
            true
        }
        _ => false,
    }
}
