//! The lines of `--json` keep to the schema in `docs`, and each kind in it is printed by a scenario.
//!
//! The checker knows the words of JSON Schema that our schema uses, and refuses every other one: a rule that
//! it did not know would be no rule.

use crate::common::program::{Ran, brigade, run};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    process::Stdio,
};

/// Words that describe, and rule nothing out.
const DESCRIPTIONS: [&str; 4] = ["$schema", "title", "description", "$defs"];

/// A schema, with the document that its references lead into.
struct Schema(Value);

impl Schema {
    fn ours() -> Self {
        Self(serde_json::from_str(include_str!("../../../docs/brigade-json.schema.json")).unwrap())
    }

    /// Checks a value. The error says what is wrong with it.
    fn check(&self, value: &Value) -> Result<(), String> {
        self.check_by(self.0.as_object().unwrap(), value)
    }

    fn check_by(&self, rules: &Map<String, Value>, value: &Value) -> Result<(), String> {
        for (word, rule) in rules {
            let holds = match word.as_str() {
                word if DESCRIPTIONS.contains(&word) => true,
                "$ref" => return self.check_by(self.definition(rule), value),
                "oneOf" => return self.check_one_of(rule.as_array().unwrap(), value),
                "const" => rule == value,
                "enum" => rule.as_array().unwrap().contains(value),
                "type" => is_of_type(rule, value),
                "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
                "required" => {
                    rule.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some())
                }
                "items" => {
                    let mut items = value.as_array().into_iter().flatten();
                    items.try_for_each(|item| self.check_by(rule.as_object().unwrap(), item))?;
                    true
                }
                "properties" => {
                    for (key, rules) in rule.as_object().unwrap() {
                        let property = value.get(key).into_iter();
                        let checked = property.map(|value| self.check_by(rules.as_object().unwrap(), value));
                        checked.collect::<Result<(), _>>().map_err(|why| format!("{key}: {why}"))?;
                    }
                    true
                }
                "additionalProperties" => {
                    assert_eq!(rule, &json!(false), "the checker knows no other rule");
                    let known = rules["properties"].as_object().unwrap();
                    value.as_object().is_none_or(|object| object.keys().all(|key| known.contains_key(key)))
                }
                other => panic!("the schema says {other}, which the checker does not know"),
            };
            if !holds {
                return Err(format!("{value} does not keep to {word} {rule}"));
            }
        }
        Ok(())
    }

    fn definition(&self, reference: &Value) -> &Map<String, Value> {
        let path = reference.as_str().unwrap().strip_prefix('#').unwrap();
        self.0.pointer(path).unwrap_or_else(|| panic!("{reference} leads nowhere")).as_object().unwrap()
    }

    /// Checks by the one schema whose kind is the value's. The others differ in their kind.
    fn check_one_of(&self, schemas: &[Value], value: &Value) -> Result<(), String> {
        let of_kind = |rules: &&Map<String, Value>| rules["properties"]["kind"]["const"] == value["kind"];
        let mut found = schemas.iter().map(|schema| self.definition(&schema["$ref"])).filter(of_kind);
        let rules = found.next().ok_or_else(|| format!("there is no kind {}", value["kind"]))?;
        assert!(found.next().is_none(), "two schemas for the kind {}", value["kind"]);
        self.check_by(rules, value)
    }

    fn kinds(&self) -> BTreeSet<String> {
        let names = self.0["oneOf"].as_array().unwrap().iter().map(|schema| &schema["$ref"]);
        names.map(|name| name.as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect()
    }
}

fn is_of_type(rule: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    };
    rule.as_array().map_or_else(|| is(rule), |types| types.iter().any(is))
}

/// Every way to have `brigade` print JSON that ends by itself, and that needs neither a network nor Python.
const RUNS: &[&[&str]] = &[
    &["--quick"],
    &["list"],
    &["all", "--speed", "50"],
    &["io", "--url", "http://127.0.0.1:1/", "--requests", "1"],
    &["cpu", "processes", "--n", "1000"],
    &["kitchen", "--speed", "50"],
    &["decide", "--", "true"],
    &["gil", "--questions", "--speed", "50"],
    &["chain", "--explain"],
    &["io", "--code"],
    &["deadlock"],
    &["cards", "--print"],
    &["explore", "list"],
    &["explore", "race"],
];

/// Adds the option. Words behind `--` belong to another command.
fn with_json<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let end = arguments.iter().position(|&word| word == "--").unwrap_or(arguments.len());
    let (ours, theirs) = arguments.split_at(end);
    [ours, &["--json"], theirs].concat()
}

/// The line that `serve` prints when it is ready. It never ends by itself, so this ends it.
fn line_of_serve() -> Value {
    let mut server = brigade(&["serve", "--port", "0", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    serde_json::from_str(&line).unwrap()
}

/// The lines of a comparison with Python where there is none.
fn without_python() -> Vec<Value> {
    let arguments = ["cpu", "sync", "--n", "1000", "--compare-python", "--json"];
    Ran::read(brigade(&arguments).env("PATH", "").output().unwrap()).objects()
}

#[test]
fn each_line_keeps_to_the_schema_and_each_kind_is_printed() {
    let schema = Schema::ours();
    let mut kinds = BTreeSet::new();
    let printed = RUNS.iter().map(|arguments| with_json(arguments)).flat_map(|arguments| {
        let objects = run(&arguments).objects();
        assert!(!objects.is_empty(), "{arguments:?} prints nothing");
        objects
    });
    for object in printed.chain([line_of_serve()]).chain(without_python()) {
        schema.check(&object).unwrap_or_else(|why| panic!("{why}, in {object}"));
        kinds.insert(object["kind"].as_str().unwrap().to_owned());
    }
    // An interpreter is measured only where there is one.
    kinds.insert("python".into());
    assert_eq!(kinds, schema.kinds());
}

#[test]
fn the_checker_refuses_what_breaks_the_schema() {
    let schema = Schema::ours();
    let event = json!({ "kind": "event", "scenario": "chain", "at": 0.5, "who": "main", "event": "starts" });
    schema.check(&event).unwrap();
    let with = |key: &str, value: Value| {
        let mut changed = event.clone();
        changed[key] = value;
        changed
    };
    let mut without = event.clone();
    without.as_object_mut().unwrap().remove("who");
    let broken = [
        with("kind", json!("noise")),
        with("at", json!("0.5")),
        with("at", json!(-1)),
        with("more", json!(1)),
        without,
    ];
    broken.iter().for_each(|object| assert!(schema.check(object).is_err(), "{object}"));
    let lane = |spans: Value| json!({ "kind": "lane", "scenario": "kitchen", "lanes": "a", "lane": "b", "spans": spans });
    schema.check(&lane(json!([{ "begin": 0, "end": null, "busy": true }]))).unwrap();
    assert!(schema.check(&lane(json!([{ "begin": 0, "end": 1, "busy": 2 }]))).is_err());
}
