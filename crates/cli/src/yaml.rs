//! YAML (1.2, core schema) as JSON, with the line of each key and entry.
//!
//! JSON is YAML too, so both are read here. Refused: anchors and aliases (a few lines of them can stand for gigabytes),
//! tags, keys that are not text, a key twice, more than one document. All of these are found in one pass.

use std::collections::BTreeMap;

use countersign_core::policy::{Path, Problem, Segment};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};

/// The deepest nesting that is read: nothing that people write comes near, and no reader further on can run out of stack.
const MAX_DEPTH: usize = 64;

/// A document and where its parts stand.
#[derive(Debug, Default)]
pub struct Yaml {
    /// The document; null if the text is empty.
    pub value: Value,
    lines: BTreeMap<Path, usize>,
}

impl Yaml {
    /// The line (from 1) of what stands at the path, or of the nearest thing around it.
    pub fn line(&self, path: &Path) -> usize {
        let mut at = Some(path.clone());
        while let Some(path) = at {
            if let Some(line) = self.lines.get(&path) {
                return *line;
            }
            at = path.parent();
        }
        1
    }
}

/// A list or map that is not closed yet.
enum Open {
    List(Vec<Value>),
    Map { map: Map<String, Value>, key: Option<String> },
}

#[derive(Default)]
struct Builder {
    yaml: Yaml,
    open: Vec<Open>,
    path: Path,
    problems: Vec<(usize, Problem)>,
    documents: usize,
}

/// Read a document. The problems come with their lines.
pub fn parse(text: &str) -> Result<Yaml, Vec<(usize, Problem)>> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => {
                if !builder.event(event, span) {
                    break;
                }
            }
            Err(error) => {
                builder.problem(error.marker().line(), error.info().to_owned());
                break;
            }
        }
    }
    if builder.problems.is_empty() { Ok(builder.yaml) } else { Err(builder.problems) }
}

impl Builder {
    fn problem(&mut self, line: usize, message: String) {
        self.problems.push((line, Problem { path: self.path.clone(), message }));
    }

    /// Take one event; `false` to stop.
    fn event(&mut self, event: Event<'_>, span: Span) -> bool {
        let line = span.start.line();
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.problem(line, "a second document begins here: write one".to_owned());
                    return false;
                }
            }
            Event::Alias(_) => {
                self.problem(
                    line,
                    "aliases (`*name`) are not read: repeat the value (in a policy, account_sets names lists)"
                        .to_owned(),
                );
                self.put(Value::String(String::new()), line);
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.plain(anchor, tag.is_some(), line);
                let value = if style == ScalarStyle::Plain { scalar(&text) } else { Value::String(text.into_owned()) };
                self.put(value, line);
            }
            Event::SequenceStart(anchor, tag) => {
                self.plain(anchor, tag.is_some(), line);
                self.begin(line);
                self.open.push(Open::List(Vec::new()));
            }
            Event::MappingStart(anchor, tag) => {
                self.plain(anchor, tag.is_some(), line);
                self.begin(line);
                self.open.push(Open::Map { map: Map::new(), key: None });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let value = match self.open.pop() {
                    Some(Open::List(list)) => Value::Array(list),
                    Some(Open::Map { map, .. }) => Value::Object(map),
                    None => return false,
                };
                self.end(value);
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        if self.open.len() > MAX_DEPTH {
            self.problem(line, format!("nested deeper than {MAX_DEPTH} levels"));
            return false;
        }
        true
    }

    fn plain(&mut self, anchor: usize, tagged: bool, line: usize) {
        if anchor != 0 {
            self.problem(
                line,
                "anchors (`&name`) are not read: repeat the value (in a policy, account_sets names lists)".to_owned(),
            );
        }
        if tagged {
            self.problem(line, "tags (`!name`) are not read".to_owned());
        }
    }

    /// A value begins: step to its place and note the line.
    fn begin(&mut self, line: usize) {
        match self.open.last() {
            Some(Open::List(list)) => {
                let index = list.len();
                self.path.push(Segment::Index(index));
            }
            // The key has stepped already, and its line is the one to show.
            Some(Open::Map { key: Some(_), .. }) => return,
            Some(Open::Map { key: None, .. }) => {
                self.problem(line, "a list or map cannot be a key".to_owned());
                if let Some(Open::Map { key, .. }) = self.open.last_mut() {
                    *key = Some(String::new());
                }
                self.path.push(Segment::Key(String::new()));
            }
            None => {}
        }
        self.yaml.lines.entry(self.path.clone()).or_insert(line);
    }

    /// A value is complete: put it into what is open and step back.
    fn end(&mut self, value: Value) {
        match self.open.last_mut() {
            None => self.yaml.value = value,
            Some(Open::List(list)) => {
                list.push(value);
                self.path.pop();
            }
            Some(Open::Map { map, key }) => {
                // A repeated key was reported; the first value stays.
                map.entry(key.take().unwrap_or_default()).or_insert(value);
                self.path.pop();
            }
        }
    }

    /// A scalar: a key, or a value.
    fn put(&mut self, value: Value, line: usize) {
        if !matches!(self.open.last(), Some(Open::Map { key: None, .. })) {
            self.begin(line);
            self.end(value);
            return;
        }
        let name = match value {
            Value::String(name) => name,
            other => {
                self.problem(line, "a key that is not text: write it in quotes".to_owned());
                other.to_string()
            }
        };
        self.path.push(Segment::Key(name.clone()));
        let twice = match self.open.last_mut() {
            Some(Open::Map { map, key }) => {
                let twice = map.contains_key(&name);
                *key = Some(name);
                twice
            }
            _ => false,
        };
        if twice {
            self.problem(line, "this key appears twice".to_owned());
        }
        self.yaml.lines.entry(self.path.clone()).or_insert(line);
    }
}

/// A plain scalar by the core schema (YAML 1.2.2 section 10.3.2), but for one thing: digits that begin with a zero stay
/// text, because the only such thing in our documents is an account id.
fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let number_like = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let zero_led = unsigned.len() > 1 && unsigned.starts_with('0') && unsigned.bytes().all(|b| b.is_ascii_digit());
    if !number_like || zero_led {
        return Value::String(text.to_owned());
    }
    if let Ok(number) = text.parse::<u64>() {
        return number.into();
    }
    if let Ok(number) = text.parse::<i64>() {
        return number.into();
    }
    match text.parse::<f64>() {
        Ok(number)
            if number.is_finite()
                && !unsigned.bytes().all(|b| b.is_ascii_digit())
                && unsigned.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b)) =>
        {
            serde_json::Number::from_f64(number).map_or_else(|| Value::String(text.to_owned()), Value::Number)
        }
        // A number that JSON cannot hold stays what was written.
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_what_people_write() {
        let yaml =
            parse("a: 1\nb:\n  - x\n  - 'true'\n  - true\nc: { d: \"1\", e: 1.5, f: ~ }\ng: 012345678901\nh: -3\n")
                .unwrap();
        let expected = json!({"a": 1, "b": ["x", "true", true], "c": {"d": "1", "e": 1.5, "f": null}, "g": "012345678901", "h": -3});
        assert_eq!(yaml.value, expected);
        assert_eq!(parse(&expected.to_string()).unwrap().value, expected, "JSON is YAML");
    }

    #[test]
    fn knows_the_line_of_everything() {
        let yaml = parse("# comment\na: 1\nb:\n  - x\n  - c: 2\n    d:\n      - y\n").unwrap();
        let root = Path::root();
        assert_eq!(yaml.line(&root.key("a")), 2);
        assert_eq!(yaml.line(&root.key("b")), 3);
        assert_eq!(yaml.line(&root.key("b").index(0)), 4);
        assert_eq!(yaml.line(&root.key("b").index(1).key("d").index(0)), 7);
        assert_eq!(yaml.line(&root.key("b").index(1).key("missing")), 5);
        assert_eq!(yaml.line(&root.key("missing")), 2);
    }

    #[test]
    fn reports_everything_that_it_does_not_read() {
        let found = parse("a: &x 1\na: 2\nb: *x\n1: c\nd: !!str e\n").unwrap_err();
        let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5], "{found:?}");
        for (text, why) in [
            ("a: 1\n---\nb: 2\n", "second document"),
            ("a: [", ""),
            ("a: b: c", ""),
            ("[a, b]: c", "cannot be a key"),
            ("a: {", ""),
            (&format!("{}{}", "[".repeat(80), "]".repeat(80)), "nested deeper"),
        ] {
            let found = parse(text).unwrap_err();
            assert!(found.iter().any(|(_, problem)| problem.message.contains(why)), "{text}: {found:?}");
        }
    }

    #[test]
    fn an_empty_text_is_null() {
        assert_eq!(parse("").unwrap().value, Value::Null);
        assert_eq!(parse("# nothing\n").unwrap().value, Value::Null);
    }
}
