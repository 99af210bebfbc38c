//! What a state or a plan says, as `show -json` prints it.

use serde_json::Value;

use super::checks::Run;

/// A state.
pub(super) struct State(Value);

impl State {
    pub(super) fn new(shown: Value) -> Self {
        Self(shown)
    }

    /// The values of all resources of a type, those of modules among them. Data are none.
    pub(super) fn of_type(&self, kind: &str) -> Vec<&Value> {
        let mut found = Vec::new();
        collect(&self.0["values"]["root_module"], &mut found);
        let wanted = |resource: &&&Value| resource["type"] == kind && resource["mode"] == "managed";
        found.iter().filter(wanted).map(|resource| &resource["values"]).collect()
    }

    /// How many resources there are.
    pub(super) fn len(&self) -> usize {
        let mut found = Vec::new();
        collect(&self.0["values"]["root_module"], &mut found);
        found.iter().filter(|resource| resource["mode"] == "managed").count()
    }

    /// An output that is text.
    pub(super) fn output(&self, name: &str) -> Run<String> {
        let value = &self.0["values"]["outputs"][name]["value"];
        value.as_str().map(str::to_owned).ok_or_else(|| format!("the output {name} is {value}"))
    }

    /// A member of an output that is a map.
    pub(super) fn output_of(&self, name: &str, key: &str) -> Run<String> {
        let value = &self.0["values"]["outputs"][name]["value"][key];
        value.as_str().map(str::to_owned).ok_or_else(|| format!("the output {name} has no {key}"))
    }

    pub(super) fn text(&self) -> String {
        self.0.to_string()
    }
}

fn collect<'a>(module: &'a Value, into: &mut Vec<&'a Value>) {
    into.extend(module["resources"].as_array().into_iter().flatten());
    for child in module["child_modules"].as_array().into_iter().flatten() {
        collect(child, into);
    }
}

/// The addresses of what a plan would change, with how.
pub(super) fn changes(plan: &Value) -> Vec<String> {
    let changes = plan["resource_changes"].as_array().into_iter().flatten();
    let changes = changes.filter_map(|change| {
        let actions: Vec<&str> = change["change"]["actions"].as_array()?.iter().filter_map(Value::as_str).collect();
        let idle = actions.iter().all(|action| ["no-op", "read"].contains(action));
        (!idle).then(|| format!("{} {}", actions.join("+"), change["address"].as_str().unwrap_or_default()))
    });
    changes.collect()
}

/// What of a private key could lie in a text: the words, and each long line of each key that is known.
pub(super) fn private_parts(text: &str, keys: &[String]) -> Vec<String> {
    // A certificate, and a domain with one, could have been given a key. It was not, or there would be text.
    let nothing = ["null", "true", "false", "{}"].map(|value| format!("private_key\":{value}"));
    let text = &nothing.iter().fold(text.to_owned(), |text, nothing| text.replace(nothing, ""));
    let words = ["PRIVATE KEY", "private_key", "\"d\":", "BEGIN RSA", "BEGIN EC"];
    // What stands before it says where it is; what follows may be a key.
    let before = |word: &str| {
        let (before, _) = text.split_once(word)?;
        let place: Vec<char> = before.chars().rev().take(60).collect();
        Some(format!("{word} after {}", place.into_iter().rev().collect::<String>()))
    };
    let mut found: Vec<String> = words.iter().filter_map(|word| before(word)).collect();
    for line in keys.iter().flat_map(|key| key.lines()).filter(|line| line.len() >= 40 && !line.contains("-----")) {
        if text.contains(line) {
            found.push("a line of a key that is in the ring".to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn resources_are_found_in_modules_too() {
        let function = |name: &str| json!({"type": "f", "mode": "managed", "values": {"name": name}});
        let state = State::new(json!({"values": {
            "outputs": {"o": {"value": "text"}, "m": {"value": {"k": "v"}}},
            "root_module": {
                "resources": [function("a"), {"type": "f", "mode": "data", "values": {}}],
                "child_modules": [{"child_modules": [{"resources": [function("b"), {"type": "g", "mode": "managed"}]}]}]
            }
        }}));
        let names: Vec<&Value> = state.of_type("f").into_iter().map(|values| &values["name"]).collect();
        assert_eq!((names, state.len()), (vec![&json!("a"), &json!("b")], 3));
        assert_eq!(state.output("o"), Ok("text".to_owned()));
        assert_eq!(state.output_of("m", "k"), Ok("v".to_owned()));
        assert!(state.output("m").is_err() && state.output("p").is_err());
    }

    #[test]
    fn a_private_key_is_found_in_whatever_form() {
        let line = "M".repeat(64);
        let key = format!("-----BEGIN X-----\n{line}\n-----END X-----\n");
        assert_eq!(private_parts("{\"private_key\":\"x\"}", &[]), ["private_key after {\""]);
        assert_eq!(private_parts("{\\\"private_key\\\":\\\"x\\\"}", &[]), ["private_key after {\\\""]);
        assert_eq!(private_parts("{\"private_key\":null,\"b\":{\"certificate_private_key\":true}}", &[]), [""; 0]);
        assert_eq!(private_parts(&format!("a{line}b"), std::slice::from_ref(&key)).len(), 1);
        assert_eq!(private_parts("nothing of it", &[key]), [""; 0]);
    }

    #[test]
    fn what_a_plan_changes_is_told() {
        let change = |address: &str, actions: &[&str]| json!({"address": address, "change": {"actions": actions}});
        let plan = json!({"resource_changes": [
            change("a", &["no-op"]), change("b", &["update"]), change("c", &["delete", "create"]), change("d", &["read"])
        ]});
        assert_eq!(changes(&plan), ["update b", "delete+create c"]);
    }
}
