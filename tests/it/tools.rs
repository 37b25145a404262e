//! Operations as tools: the command line and an agent get the same, in the form that the schema says; what is not seen is not told;
//! what is cancelled stops and leaves nothing.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use serde_json::{Value, json};
use tieout::fault::{Fault, Kind};
use tieout::operations::{
    Call, Context, Discrepancies, Effect, Explain, Export, Fetch, Inspect, Operations, PlatformDoctor,
    Reconcile, Sight, Tool, Unlimited, View,
};
use tieout::progress::{Progress, Silent, Task, Unit};

use super::support::{Outcome, Setup, tieout};

/// What a tool answers to an agent who sees `view`.
fn ask<T: Tool>(arguments: Value, view: &View, progress: &dyn Progress) -> Result<Value, Fault> {
    let tool = T::arguments(&arguments)?;
    let context = Context { progress, now: SystemTime::now(), view, platform_calls: &Unlimited };
    let output = serde_json::to_value(tool.perform(&context)?).unwrap();
    let schema = serde_json::to_value(T::output_schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&output).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{}: {wrong:?}\n{schema:#}", T::NAME);
    Ok(output)
}

fn answer<T: Tool>(arguments: Value) -> Value {
    ask::<T>(arguments, &View::everything(), &Silent).unwrap_or_else(|fault| panic!("{}: {fault}", T::NAME))
}

fn refusal<T: Tool>(arguments: Value) -> Fault {
    ask::<T>(arguments, &View::everything(), &Silent).expect_err(T::NAME)
}

/// Who sees only these vendors.
fn only(vendors: &[&str]) -> View {
    let vendors = vendors.iter().map(|vendor| (*vendor).to_owned()).collect();
    View { owner: "somebody".to_owned(), sights: vec![Sight { vendors: Some(vendors), ..Sight::default() }] }
}

/// A run with a discrepancy for each of many lines.
fn many(lines: usize) -> Setup {
    let setup = Setup::small();
    let (mut invoice, mut records) = (String::new(), String::new());
    for line in 0..lines {
        let (vendor, day) = (["ALFA GAS", "BETA GAS", "=GAMMA"][line % 3], 1 + line % 28);
        let amount = 1000 + line * 7 % 50;
        invoice += &format!("INV-{vendor},{vendor},G-{line},2026-10-{day:02},10,100,{amount}.10,USD\n");
        records += &format!("G-{line},{vendor},2026-10-{day:02},10,100,1000.00,USD\n");
    }
    setup
        .write("invoices/alfa.csv", format!("Invoice,Seller,Contract,From,Volume,Rate,Total,Ccy\n{invoice}"));
    setup.write("records.csv", format!("TradeId,Counterparty,FlowStart,Volume,Price,Amount,Ccy\n{records}"));
    assert_eq!(setup.reconcile(&["--quiet"]).code, Some(1));
    setup
}

fn with(setup: &Setup, arguments: Value) -> Value {
    let mut all = json!({ "config": setup.path("tieout.toml") });
    all.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
    all
}

fn ids(listing: &Value) -> Vec<String> {
    let listed = listing["discrepancies"].as_array().unwrap().iter();
    listed.map(|one| one["discrepancy_id"].as_str().unwrap().to_owned()).collect()
}

// What agents are told of.

/// What is told of a tool, without its descriptions, which are those of the help.
fn told<T: Tool>() -> String {
    let names = |schema: &Value| -> Vec<String> {
        schema["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let schemas = [T::input_schema(), T::output_schema()].map(|schema| serde_json::to_value(schema).unwrap());
    let [input, output] = &schemas;
    for schema in &schemas {
        jsonschema::meta::validate(schema).unwrap_or_else(|error| panic!("{}: {error}", T::NAME));
        assert_eq!(schema["type"], "object", "{}: {schema:#}", T::NAME);
    }
    assert_eq!(
        input["unevaluatedProperties"].as_bool().or(input["additionalProperties"].as_bool()),
        Some(false)
    );
    let arguments = names(input);
    assert!(!arguments.iter().any(|name| matches!(&**name, "json" | "raw")), "{arguments:?}");
    for (name, property) in input["properties"].as_object().unwrap() {
        assert!(property["description"].is_string(), "{}: {name} is not described", T::NAME);
    }
    // One source for the help and for the agent.
    let help = <T as clap::Args>::augment_args(clap::Command::new("x")).get_long_about().unwrap().to_string();
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
    assert_eq!(words(&T::description()), words(&help), "{}", T::NAME);
    let answers = output["properties"].as_object().map(|_| names(output)).unwrap_or_default();
    format!(
        "{} ({}), {:?}{}{}\n  takes {}\n  answers {}\n",
        T::NAME,
        T::TITLE,
        T::EFFECT,
        if T::ONLY_WRITES { ", only writes" } else { "" },
        if T::ASKS_PLATFORM { ", asks the platform" } else { "" },
        arguments.join(", "),
        answers.join(", ")
    )
}

#[test]
fn tools_are_as_agreed() {
    let all = [
        told::<Reconcile>(),
        told::<Discrepancies>(),
        told::<Explain>(),
        told::<Export>(),
        told::<Inspect>(),
        told::<Fetch>(),
        told::<Operations>(),
        told::<Call>(),
        told::<PlatformDoctor>(),
    ];
    insta::assert_snapshot!(all.concat());
}

#[test]
fn a_call_has_the_effect_that_its_arguments_say() {
    let effect = |arguments| Reconcile::arguments(&arguments).unwrap().effect();
    assert_eq!(effect(json!({})), Effect::Writes);
    assert_eq!(effect(json!({ "dry_run": true })), Effect::AsksPlatform);
    assert_eq!(effect(json!({ "dry_run": true, "evidence": "calls.jsonl" })), Effect::Writes);
    let effect = |arguments| Fetch::arguments(&arguments).unwrap().effect();
    assert_eq!(effect(json!({})), Effect::AsksPlatform);
    assert_eq!(effect(json!({ "output": "records.csv" })), Effect::Writes);
    let effect = |arguments| Call::arguments(&arguments).unwrap().effect();
    assert_eq!(effect(json!({ "operation": "Ping" })), Effect::Writes);
    assert_eq!(effect(json!({ "operation": "Ping", "dry_run": true })), Effect::Reads);
    assert!(Effect::Reads < Effect::AsksPlatform && Effect::AsksPlatform < Effect::Writes);
}

#[test]
fn a_typing_error_is_told_with_the_nearest_argument() {
    for (fault, near) in [
        (refusal::<Reconcile>(json!({ "perid": "2026-10" })), "did you mean period?"),
        (refusal::<Discrepancies>(json!({ "vendr": ["A"] })), "did you mean vendor?"),
        (refusal::<Export>(json!({ "output": "a.csv", "min_varianc": "1" })), "did you mean min_variance?"),
        (refusal::<Discrepancies>(json!({ "json": true })), "there is no such argument"),
        (refusal::<Call>(json!({ "operation": "Ping", "raw": true })), "there is no such argument"),
        (refusal::<Operations>(json!({ "wsdl": "http://198.51.100.1/" })), "there is no such argument"),
    ] {
        assert_eq!(fault.kind(), Kind::Usage);
        assert!(fault.to_string().contains(near), "{near}: {fault}");
    }
}

#[test]
fn an_argument_that_is_no_good_is_told_by_its_name_with_what_was_met_and_what_is_expected() {
    let number = "a whole number, 0 or more";
    let sides = "\"invoices\" or \"settlements\"";
    for (fault, place, met, expected) in [
        (
            refusal::<Discrepancies>(json!({ "limit": "many" })),
            "list_discrepancies limit",
            "the text \"many\"",
            number,
        ),
        (
            refusal::<Discrepancies>(json!({ "limit": -1 })),
            "list_discrepancies limit",
            "the number -1",
            number,
        ),
        (
            refusal::<Discrepancies>(json!({ "limit": 1.5 })),
            "list_discrepancies limit",
            "the number 1.5",
            number,
        ),
        (
            refusal::<Discrepancies>(json!({ "limit": null })),
            "list_discrepancies limit",
            "nothing (null)",
            number,
        ),
        (
            refusal::<Discrepancies>(json!({ "vendor": "A" })),
            "list_discrepancies vendor",
            "the text \"A\"",
            "a list, each of it a text",
        ),
        (
            refusal::<Discrepancies>(json!({ "vendor": [7] })),
            "list_discrepancies vendor",
            "the list [7]",
            "a list, each of it a text",
        ),
        (
            refusal::<Discrepancies>(json!({ "sort": {} })),
            "list_discrepancies sort",
            "the object {}",
            "a text",
        ),
        (
            refusal::<Reconcile>(json!({ "dry_run": "yes" })),
            "reconcile dry_run",
            "the text \"yes\"",
            "true or false",
        ),
        (refusal::<Reconcile>(json!({ "allow_rejects": true })), "reconcile allow_rejects", "true", number),
        (
            refusal::<Inspect>(json!({ "file": "a.csv", "side": "both" })),
            "inspect_file side",
            "the text \"both\"",
            sides,
        ),
    ] {
        assert_eq!(fault.kind(), Kind::Usage);
        let name = place.split(' ').next_back().unwrap();
        let tool = place.split(' ').next().unwrap();
        assert_eq!(
            fault.to_string(),
            format!(
                "{place}: the argument is of another form\n  found: {met}\n  expected: {expected}\n  \
                 next: tools/list has its schema: inputSchema.properties.{name} of {tool}"
            )
        );
    }
    let missing = refusal::<Explain>(json!({})).to_string();
    assert!(
        missing.starts_with("explain_discrepancy id: the argument is missing\n  expected: a text: "),
        "{missing}"
    );
    let unknown = refusal::<Operations>(json!({ "zzz": 1 })).to_string();
    assert_eq!(
        unknown,
        "platform_operations: there is no such argument\n  found: zzz\n  expected: any of config, operation\n  \
         next: tools/list has the schema of all: inputSchema of platform_operations"
    );
}

// The command line and the tool.

#[cfg(feature = "simulator")]
mod parity {
    use tieout::simulator::{Settings, Simulator, User};

    use super::*;

    /// The demo's set-up, and its platform, which answers where the configuration says.
    fn demo(folder: &Path) -> Simulator {
        let outcome: Outcome = tieout().current_dir(folder).args(["demo", "."]).output().unwrap().into();
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let password = std::fs::read_to_string(folder.join("platform/password")).unwrap();
        let users = vec![User { name: r"CORP\svc_recon".to_owned(), password: password.into() }];
        let simulator = Simulator::start(Settings::new(folder.join("platform/records.csv"), users)).unwrap();
        let path = folder.join("tieout.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        let line = config.lines().find(|line| line.starts_with("endpoint")).unwrap();
        let endpoint = format!("endpoint = \"{}\"", simulator.endpoint());
        std::fs::write(&path, config.replace(line, &endpoint)).unwrap();
        simulator
    }

    /// What depends on the moment, and not on the way that was taken.
    fn masked(mut value: Value) -> Value {
        match &mut value {
            Value::Object(map) => {
                for (name, inner) in map.iter_mut() {
                    let passing = matches!(&**name, "time" | "milliseconds" | "correlation" | "millis");
                    *inner = if passing { Value::Null } else { masked(inner.take()) };
                }
                // Ports, times and ids.
                if map.contains_key("verdict") && map.contains_key("found") {
                    let found = map["found"].as_str().unwrap().split_whitespace();
                    let found: Vec<&str> =
                        found.filter(|word| !word.contains(|c: char| c.is_ascii_digit())).collect();
                    let found = found.join(" ");
                    map.insert("found".to_owned(), found.into());
                }
            }
            Value::Array(all) => all.iter_mut().for_each(|inner| *inner = masked(inner.take())),
            _ => {}
        }
        value
    }

    /// The same by both ways; what the command line exits with.
    fn same<T: Tool>(words: &[&str], arguments: Value, code: i32) -> Value {
        let outcome: Outcome = tieout().args(words).arg("--json").output().unwrap().into();
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(code), ""), "{words:?}");
        let printed: Value = serde_json::from_str(&outcome.stdout).unwrap();
        let output = answer::<T>(arguments);
        assert_eq!(masked(printed.clone()), masked(output.clone()), "{words:?}");
        output
    }

    #[test]
    fn the_command_line_and_the_tool_give_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let _simulator = demo(folder);
        let config = folder.join("tieout.toml");
        let config = config.to_str().unwrap();
        let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();

        let run = same::<Reconcile>(
            &["reconcile", "--config", config, "--limit", "3"],
            json!({ "config": config, "limit": 3 }),
            1,
        );
        assert_eq!(run["finding"], "discrepancies");
        assert_eq!(run["files"].as_array().unwrap().len(), 5);
        let all = run["groups"]["discrepancies"].as_u64().unwrap();
        assert_eq!(run["more_discrepancies"], all - 3);
        let reports = std::fs::metadata(at("reports/summary.json")).unwrap().modified().unwrap();
        let dry = same::<Reconcile>(
            &["reconcile", "--config", config, "--limit", "3", "--dry-run"],
            json!({ "config": config, "limit": 3, "dry_run": true }),
            1,
        );
        assert_eq!((&dry["groups"], &dry["discrepancies"]), (&run["groups"], &run["discrepancies"]));
        assert_eq!(dry["files"], json!([]));
        let after = std::fs::metadata(at("reports/summary.json")).unwrap().modified().unwrap();
        assert_eq!(after, reports, "nothing was written");

        let listing = same::<Discrepancies>(
            &[
                "discrepancies",
                "--config",
                config,
                "--sort",
                "-variance",
                "--kind",
                "price",
                "--kind",
                "quantity",
            ],
            json!({ "config": config, "sort": "-variance", "kind": ["price", "quantity"] }),
            0,
        );
        assert!(listing["count"].as_u64().unwrap() >= 2, "{listing:#}");
        let everything = answer::<Discrepancies>(json!({ "config": config, "limit": 3 }));
        assert_eq!(everything["count"], all);
        assert_eq!(everything["discrepancies"], run["discrepancies"], "a report says what the run said");
        let id = &ids(&everything)[0];
        let explained =
            same::<Explain>(&["explain", id, "--config", config], json!({ "config": config, "id": id }), 0);
        assert_eq!(&explained["id"], id);

        same::<Export>(
            &["export", "--config", config, "--output", &at("out.csv"), "--force"],
            json!({ "config": config, "output": at("out.csv"), "force": true }),
            0,
        );
        let exported = std::fs::read_to_string(at("out.csv")).unwrap();
        assert_eq!(
            exported,
            std::fs::read_to_string(at("reports/discrepancies.csv")).unwrap(),
            "cell by cell"
        );

        for (file, format) in [
            ("invoices/prairie-gas-2026-10.csv", "CSV text"),
            ("invoices/lone-star-power-2026-10.xlsx", "xlsx workbook"),
        ] {
            let inspected = same::<Inspect>(
                &["inspect", &at(file), "--config", config],
                json!({ "file": at(file), "config": config }),
                0,
            );
            assert_eq!((&inspected["format"], &inspected["side"]), (&json!(format), &json!("invoices")));
            assert_eq!((&inspected["trouble"], &inspected["rejected"]), (&Value::Null, &json!(0)));
            assert_eq!(inspected["lines"], inspected["rows"]);
        }

        let page = same::<Fetch>(
            &["fetch", "--config", config, "--limit", "2"],
            json!({ "config": config, "limit": 2 }),
            0,
        );
        let mut records = page["records"].as_array().unwrap().clone();
        let mut cursor = page["next_cursor"].clone();
        while cursor.is_string() {
            let page = answer::<Fetch>(json!({ "config": config, "limit": 20, "cursor": cursor }));
            records.extend(page["records"].as_array().unwrap().clone());
            assert!(
                page["origin"].as_str().unwrap().contains("0 calls"),
                "the platform is asked once: {page:#}"
            );
            cursor = page["next_cursor"].clone();
        }
        assert_eq!(page["count"], records.len());
        let whole = answer::<Fetch>(json!({ "config": config, "output": at("records.csv") }));
        assert_eq!((&whole["count"], &whole["records"]), (&page["count"], &json!([])));
        assert_eq!(std::fs::read_to_string(at("records.csv")).unwrap().lines().count(), records.len() + 1);

        let operations = ["platform", "operations", "--config", config];
        same::<Operations>(&operations, json!({ "config": config }), 0);
        same::<Call>(
            &["platform", "call", "WhoAmI", "--config", config],
            json!({ "config": config, "operation": "WhoAmI" }),
            0,
        );
        same::<Call>(
            &["platform", "call", "WhoAmI", "--dry-run", "--config", config],
            json!({ "config": config, "operation": "WhoAmI", "dry_run": true }),
            0,
        );
        same::<PlatformDoctor>(&["platform", "doctor", "--config", config], json!({ "config": config }), 0);

        // Who sees one vendor may fetch that vendor's records, and no others.
        let vendor = records[0]["Counterparty"].as_str().unwrap();
        let narrow = |arguments| ask::<Fetch>(arguments, &only(&[vendor]), &Silent);
        let own = narrow(json!({ "config": config, "vendor": [vendor] })).unwrap();
        assert!(own["count"].as_u64().unwrap() > 0);
        for arguments in
            [json!({ "config": config }), json!({ "config": config, "vendor": [vendor, "Other"] })]
        {
            assert_eq!(narrow(arguments).unwrap_err().kind(), Kind::Denied);
        }
        // A page of one caller is no page of another.
        let first = narrow(json!({ "config": config, "vendor": [vendor], "limit": 1 })).unwrap();
        let stolen =
            json!({ "config": config, "vendor": [vendor], "limit": 1, "cursor": first["next_cursor"] });
        assert_eq!(refusal::<Fetch>(stolen).kind(), Kind::Usage);
    }
}

// Discrepancies of the last run.

#[test]
fn pages_are_the_whole_in_order_and_a_cursor_is_good_for_nothing_else() {
    let setup = many(50);
    for sort in [None, Some("variance"), Some("-variance"), Some("vendor"), Some("-period_start")] {
        let arguments = |limit: usize, cursor: &Value| {
            let mut arguments = with(&setup, json!({ "limit": limit }));
            if let Some(sort) = sort {
                arguments["sort"] = sort.into();
            }
            if cursor.is_string() {
                arguments["cursor"] = cursor.clone();
            }
            arguments
        };
        let whole = answer::<Discrepancies>(arguments(1000, &Value::Null));
        assert_eq!((whole["count"].as_u64(), &whole["next_cursor"]), (Some(50), &Value::Null));
        let (mut paged, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let page = answer::<Discrepancies>(arguments(7, &cursor));
            assert_eq!((&page["count"], &page["totals"]), (&whole["count"], &whole["totals"]));
            paged.extend(ids(&page));
            cursor = page["next_cursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        assert_eq!(paged, ids(&whole), "{sort:?}");
        let column = |name: &str| -> Vec<f64> {
            let all = whole["discrepancies"].as_array().unwrap().iter();
            all.map(|one| one[name].as_str().unwrap().parse().unwrap()).collect()
        };
        match sort {
            None | Some("-variance") => assert!(column("variance").is_sorted_by(|a, b| a >= b)),
            Some("variance") => assert!(column("variance").is_sorted()),
            _ => {}
        }
    }
    let first = answer::<Discrepancies>(with(&setup, json!({ "limit": 7 })));
    let cursor = &first["next_cursor"];
    let all = |more: Value| {
        let mut arguments = with(&setup, json!({ "limit": 7, "cursor": cursor }));
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    for arguments in [
        all(json!({ "sort": "vendor" })),
        all(json!({ "vendor": ["ALFA GAS"] })),
        all(json!({ "cursor": "7" })),
    ] {
        assert!(refusal::<Discrepancies>(arguments).to_string().contains("this cursor leads nowhere"));
    }
    let stranger = ask::<Discrepancies>(all(json!({})), &only(&["ALFA GAS"]), &Silent);
    assert!(stranger.unwrap_err().to_string().contains("this cursor leads nowhere"));
    setup.edit("records.csv", "1000.00", "999.00");
    assert_eq!(setup.reconcile(&["--quiet"]).code, Some(1));
    assert!(refusal::<Discrepancies>(all(json!({}))).to_string().contains("another run"));
}

#[test]
fn filters_let_pass_what_they_say_and_totals_are_exact() {
    let setup = many(30);
    let listed = |arguments: Value| answer::<Discrepancies>(with(&setup, arguments));
    let all = listed(json!({ "limit": 1000 }));
    let count = |arguments: Value| listed(arguments)["count"].as_u64().unwrap();
    // As the set-up makes them: variances of 0.10, 7.10 … in thirty lines of three vendors.
    let expected: u64 = (0..30).map(|line| line * 7 % 50 * 100 + 10).sum();
    let total = format!("{}.{:02}", expected / 100, expected % 100);
    assert_eq!(all["totals"], json!({ "USD": { "overbilled": total, "underbilled": "0.00", "net": total } }));
    assert_eq!(count(json!({ "vendor": ["alfa gas"] })), 10);
    assert_eq!(count(json!({ "vendor": ["alfa gas", "BETA GAS"] })), 20);
    assert_eq!(count(json!({ "vendor": ["alfa"] })), 0, "a name is a whole name");
    assert_eq!(count(json!({ "deal": ["G-3"] })), 1);
    assert_eq!(count(json!({ "kind": ["Amount"], "currency": ["usd"] })), 30);
    assert_eq!(count(json!({ "kind": ["unsettled"] })), 0);
    assert_eq!(count(json!({ "from_date": "2026-10-02", "to_date": "2026-10-03" })), 3);
    let variances = (0..30_u64).map(|line| line * 7 % 50 * 100 + 10);
    let within = variances.filter(|variance| (1000..=2010).contains(variance)).count() as u64;
    assert_eq!(count(json!({ "min_variance": "10", "max_variance": "20.10" })), within);
    assert_eq!(count(json!({ "contains": ["invoices/alfa.csv:2"] })), 11, "2 and 20 to 29");
    for (arguments, says) in [
        (json!({ "kind": ["amont"] }), "did you mean amount?"),
        (json!({ "sort": "vendr" }), "did you mean vendor?"),
        (json!({ "from_date": "2026-10" }), "this is no day"),
        (json!({ "min_variance": "lots" }), "this is no amount"),
        (json!({ "limit": 1001 }), "at most 1000"),
        (json!({ "from": setup.path("nowhere") }), "there is no report of a run"),
    ] {
        let fault = refusal::<Discrepancies>(with(&setup, arguments));
        assert!(fault.to_string().contains(says), "{says}: {fault}");
    }
    // The table says the same as the objects, but for what only they have.
    std::fs::remove_file(setup.path("reports/discrepancies.json")).unwrap();
    assert_eq!(listed(json!({ "limit": 1000 }))["discrepancies"], all["discrepancies"]);
    setup.write("reports/discrepancies.csv", "a,b\n1,2\n");
    let fault = refusal::<Discrepancies>(with(&setup, json!({})));
    assert!(fault.to_string().contains("not as tieout writes it"), "{fault}");
}

#[test]
fn what_is_not_seen_is_not_counted_not_paged_and_not_found() {
    let setup = many(30);
    let view = only(&["ALFA GAS"]);
    let listing = ask::<Discrepancies>(with(&setup, json!({ "limit": 4 })), &view, &Silent).unwrap();
    assert_eq!(listing["count"], 10);
    assert!(listing["discrepancies"].as_array().unwrap().iter().all(|one| one["vendor"] == "ALFA GAS"));
    let (mut pages, mut cursor) = (1, listing["next_cursor"].clone());
    while cursor.is_string() {
        let arguments = with(&setup, json!({ "limit": 4, "cursor": cursor }));
        let page = ask::<Discrepancies>(arguments, &view, &Silent).unwrap();
        (pages, cursor) = (pages + 1, page["next_cursor"].clone());
    }
    assert_eq!(pages, 3);
    let out = setup.path("mine.csv");
    let exported = ask::<Export>(with(&setup, json!({ "output": out })), &view, &Silent).unwrap();
    assert_eq!(exported["count"], 10);
    assert!(!setup.read("mine.csv").contains("BETA"), "{}", setup.read("mine.csv"));

    let explain = |id: &str, view: &View| ask::<Explain>(with(&setup, json!({ "id": id })), view, &Silent);
    let own = &ids(&listing)[0];
    assert!(explain(own, &view).is_ok());
    let others = answer::<Discrepancies>(with(&setup, json!({ "vendor": ["BETA GAS"] })));
    let fault = explain(&ids(&others)[0], &view).unwrap_err().to_string();
    assert!(
        fault.contains("there is no such discrepancy") && fault.contains("one of 10 discrepancies"),
        "{fault}"
    );
    assert!(ids(&others).iter().skip(1).all(|id| !fault.contains(id)), "{fault}");
    let nobody = View { owner: String::new(), sights: Vec::new() };
    assert_eq!(ask::<Discrepancies>(with(&setup, json!({})), &nobody, &Silent).unwrap()["count"], 0);
    for (tool, needs) in [
        ("reconcile", Reconcile::arguments(&json!({})).unwrap().needs_full_view()),
        ("inspect", Inspect::arguments(&json!({ "file": "a" })).unwrap().needs_full_view()),
        ("call", Call::arguments(&json!({ "operation": "a" })).unwrap().needs_full_view()),
        ("fetch", Fetch::arguments(&json!({})).unwrap().needs_full_view()),
    ] {
        assert!(needs, "{tool} cannot be narrowed");
    }
}

#[test]
fn an_explanation_names_no_row_that_is_not_seen() {
    let setup = Setup::small();
    // Of one deal, and near: what an explanation would point to.
    setup.edit("records.csv", "G-2,ALFA GAS,2026-10-02", "G-2,BETA GAS,2026-10-03");
    setup.edit("records.csv", "200,3.10,620.00", "7,3.30,23.10");
    assert_eq!(setup.reconcile(&["--quiet"]).code, Some(1));
    let view = only(&["ALFA GAS"]);
    let listing = ask::<Discrepancies>(with(&setup, json!({})), &view, &Silent).unwrap();
    assert_eq!(listing["count"], 1);
    let arguments = with(&setup, json!({ "id": ids(&listing)[0] }));
    let whole = answer::<Explain>(arguments.clone()).to_string();
    assert!(whole.contains("records.csv:3") && whole.contains("2026-10-03"), "{whole}");
    let explained = ask::<Explain>(arguments, &view, &Silent).unwrap().to_string();
    assert!(!explained.contains("records.csv:3") && !explained.contains("2026-10-03"), "{explained}");
}

#[test]
fn an_export_is_what_the_filters_let_pass_and_overwrites_nothing() {
    let setup = many(30);
    let export = |arguments: Value| ask::<Export>(with(&setup, arguments), &View::everything(), &Silent);
    let arguments =
        |name: &str| json!({ "output": setup.path(name), "vendor": ["=GAMMA"], "sort": "-variance" });
    for name in ["gamma.csv", "gamma.json", "gamma.xlsx"] {
        assert_eq!(export(arguments(name)).unwrap()["count"], 10);
    }
    let table = super::support::table(&setup.read("gamma.csv"));
    let ids = super::support::column(&table, "discrepancy_id");
    assert!(super::support::column(&table, "vendor").iter().all(|vendor| *vendor == "'=GAMMA"), "no formula");
    let objects: Vec<Value> = serde_json::from_str(&setup.read("gamma.json")).unwrap();
    assert!(objects.iter().all(|object| object["vendor"] == "=GAMMA"), "what the source says");
    assert_eq!(
        ids,
        objects.iter().map(|object| object["discrepancy_id"].as_str().unwrap()).collect::<Vec<_>>()
    );
    let listing = answer::<Discrepancies>(with(&setup, json!({ "vendor": ["=GAMMA"], "sort": "-variance" })));
    assert_eq!(self::ids(&listing), ids);

    // A workbook: numbers as numbers, and as text what would be a formula.
    let file = setup.path("gamma.xlsx");
    let inspected = answer::<Inspect>(json!({ "file": file, "config": setup.path("none.toml") }));
    let column = |name: &str| {
        let columns = inspected["columns"].as_array().unwrap();
        columns.iter().find(|column| column["name"] == name).unwrap().clone()
    };
    assert_eq!(inspected["rows"], 10);
    assert_eq!(
        (column("variance")["looks_like"].clone(), column("vendor")["examples"].clone()),
        (json!("number"), json!(["'=GAMMA"]))
    );
    assert_eq!(column("amount_invoiced")["looks_like"], "number", "1000.10 is no month");
    let variances = super::support::column(&table, "variance");
    let shortest = |text: &str| text.parse::<f64>().unwrap().to_string();
    assert_eq!(column("variance")["examples"][0], shortest(variances[0]));

    let before = setup.read("gamma.csv");
    let fault = export(arguments("gamma.csv")).unwrap_err();
    assert_eq!((fault.kind(), setup.read("gamma.csv") == before), (Kind::Output, true));
    assert!(fault.to_string().contains("--force"), "{fault}");
    let mut forced = arguments("gamma.csv");
    forced["force"] = true.into();
    forced["vendor"] = json!(["ALFA GAS"]);
    assert_eq!(export(forced).unwrap()["count"], 10);
    assert_ne!(setup.read("gamma.csv"), before);
    assert!(export(json!({ "output": setup.path("x.pdf") })).unwrap_err().to_string().contains("--format"));
    let left = setup.files("").into_iter().filter(|(path, _)| path.to_string_lossy().contains("partial"));
    assert_eq!(left.count(), 0);
}

// Files.

#[test]
fn a_file_is_told_with_what_is_missing_and_what_would_be_rejected() {
    let setup = Setup::small();
    setup.write(
        "invoices/alfa.csv",
        "Invoice;Seler;Contract;From;Volume;Rate;Total;Ccy;Note\r\n\
         INV-1;ALFA GAS;G-1;13/10/2026;1.000;3,25;3.250,00;USD;\r\n\
         INV-1;ALFA GAS;G-2;02/10/2026;200;3,10;620,00;USD;a\u{202e}b\r\n\
         INV-1;ALFA GAS;G-3;03/10/2026;200;3,10;many;USD;\r\n",
    );
    let file = setup.path("invoices/alfa.csv");
    let inspected = answer::<Inspect>(with(&setup, json!({ "file": file })));
    assert_eq!(inspected["delimiter"], ";");
    assert_eq!(
        (&inspected["encoding"], &inspected["header_row"], &inspected["rows"]),
        (&json!("UTF-8"), &json!(1), &json!(3))
    );
    let column = |inspected: &Value, name: &str| {
        let columns = inspected["columns"].as_array().unwrap();
        columns.iter().find(|column| column["name"] == name).unwrap().clone()
    };
    assert_eq!(column(&inspected, "Rate")["decimal"], json!([","]));
    assert_eq!(column(&inspected, "Volume")["decimal"], json!([".", ","]), "it does not tell");
    assert_eq!(column(&inspected, "From")["dates"], json!(["day first"]), "no month has the number 13");
    assert_eq!(column(&inspected, "Note")["blank_percent"], 66);
    assert_eq!(column(&inspected, "Contract")["roles"], json!(["deal"]));
    let roles = inspected["roles"].as_array().unwrap();
    let vendor = roles.iter().find(|role| role["role"] == "vendor").unwrap();
    assert_eq!((&vendor["found"], &vendor["nearest"]), (&json!([]), &json!("Seler")));
    assert!(inspected["trouble"].as_str().unwrap().contains("did you mean \"Seler\"?"), "{inspected:#}");

    setup.edit("tieout.toml", "\"Seller\"", "\"Seler\"");
    setup.edit(
        "tieout.toml",
        "files = [\"invoices/*\"]",
        "files = [\"invoices/*\"]\ndecimal = \",\"\ndates = [\"day first\"]",
    );
    let inspected = answer::<Inspect>(with(&setup, json!({ "file": file })));
    assert_eq!(
        (&inspected["trouble"], &inspected["lines"], &inspected["rejected"]),
        (&Value::Null, &json!(2), &json!(1))
    );
    let reject = &inspected["rejects"][0];
    assert_eq!((&reject["column"], &reject["value"]), (&json!("Total"), &json!("many")));
    assert!(reject["source"].as_str().unwrap().ends_with("alfa.csv:4"));

    // The command line prints what cannot be seen as JSON writes it, and it says the same.
    let outcome: Outcome = tieout()
        .current_dir(setup.folder())
        .args(["inspect", "invoices/alfa.csv", "--json"])
        .output()
        .unwrap()
        .into();
    assert!(outcome.stdout.contains("a\\u202eb"), "{}", outcome.stdout);
    let printed: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(printed["columns"], inspected["columns"]);
    let outcome: Outcome =
        tieout().current_dir(setup.folder()).args(["inspect", "invoices/alfa.csv"]).output().unwrap().into();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    assert!(outcome.stdout.contains("2 lines would be taken, 1 rows rejected"), "{}", outcome.stdout);

    // By itself, and by the other side.
    let alone = answer::<Inspect>(json!({ "file": file, "config": setup.path("none.toml") }));
    assert_eq!((&alone["side"], &alone["roles"]), (&Value::Null, &json!([])));
    let records = answer::<Inspect>(with(&setup, json!({ "file": setup.path("records.csv") })));
    assert_eq!((&records["side"], &records["rejected"]), (&json!("settlements"), &json!(0)));
    // Broken in the middle: what came before is told, and why no more does.
    setup.write("broken.csv", "A,B\n1,2\n3,\"4\n");
    let broken =
        answer::<Inspect>(json!({ "file": setup.path("broken.csv"), "config": setup.path("none.toml") }));
    assert_eq!((&broken["rows"], &broken["sha256"]), (&json!(1), &Value::Null));
    assert!(broken["trouble"].as_str().unwrap().contains("never closed"), "{broken:#}");
    assert_eq!(refusal::<Inspect>(json!({ "file": setup.path("nowhere.csv") })).kind(), Kind::Input);
}

// Cancellation.

/// Cancelled once so much of a task is done.
#[derive(Clone)]
struct Until {
    label: &'static str,
    most: u64,
    done: Arc<AtomicU64>,
    /// The tasks that were opened.
    tasks: Arc<Mutex<Vec<String>>>,
}

impl Until {
    fn new(label: &'static str, most: u64) -> Self {
        Self { label, most, done: Arc::default(), tasks: Arc::default() }
    }

    fn is_over(&self) -> bool {
        self.done.load(Ordering::Relaxed) >= self.most
    }
}

struct Counted(Until, bool);

impl Task for Counted {
    fn advance(&self, done: u64) {
        if self.1 {
            self.0.done.fetch_add(done, Ordering::Relaxed);
        }
    }
    fn is_cancelled(&self) -> bool {
        self.0.is_over()
    }
}

impl Progress for Until {
    fn task(&self, label: &str, _: Unit, _: Option<u64>) -> Box<dyn Task> {
        self.tasks.lock().unwrap().push(label.to_owned());
        Box::new(Counted(self.clone(), label.contains(self.label)))
    }
    fn is_cancelled(&self) -> bool {
        self.is_over()
    }
}

/// What a cancelled call leaves: nothing but what was there.
fn stops<T: Tool>(setup: &Setup, arguments: Value, until: &Until) {
    let before = setup.files("");
    let fault = ask::<T>(arguments, &View::everything(), until).expect_err(until.label);
    assert_eq!(fault.kind(), Kind::Cancelled, "{}: {fault}", T::NAME);
    assert!(until.is_over(), "{} came so far", T::NAME);
    let names = |files: &[(std::path::PathBuf, Vec<u8>)]| {
        files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&setup.files("")), names(&before), "{}", T::NAME);
    assert!(setup.files("") == before, "{}: no file has changed", T::NAME);
}

#[test]
fn what_is_cancelled_stops_where_it_is_and_leaves_nothing() {
    let setup = many(8_000);
    setup.edit("records.csv", "1000.00", "1001.00");
    let all = |arguments| with(&setup, arguments);
    let file = setup.path("invoices/alfa.csv");
    for (label, most) in [("alfa.csv", 1), ("records.csv", 300_000), ("matching", 100), ("matching", 8_000)] {
        stops::<Reconcile>(&setup, all(json!({})), &Until::new(label, most));
    }
    let id = ids(&answer::<Discrepancies>(all(json!({ "limit": 1 }))))[0].clone();
    for (label, most) in [("alfa.csv", 1), ("matching", 100)] {
        stops::<Explain>(&setup, all(json!({ "id": id })), &Until::new(label, most));
    }
    stops::<Inspect>(&setup, all(json!({ "file": file })), &Until::new("alfa.csv", 300_000));
    stops::<Discrepancies>(&setup, all(json!({})), &Until::new("discrepancies", 100));
    for (name, sort) in [("a.csv", "vendor"), ("a.json", "variance"), ("a.xlsx", "deal")] {
        let arguments = all(json!({ "output": setup.path(name), "sort": sort }));
        stops::<Export>(&setup, arguments, &Until::new("discrepancies", 4_000));
    }
    // A reading that is cancelled stops early: what follows is not even opened.
    let until = Until::new("alfa.csv", 1);
    stops::<Reconcile>(&setup, all(json!({})), &until);
    assert!(!until.tasks.lock().unwrap().iter().any(|task| task == "matching"));

    // A workbook is read by a thread of its own.
    let mut workbook = rust_xlsxwriter::Workbook::new();
    let sheet = workbook.add_worksheet();
    for row in 0..3000 {
        sheet.write_string(row, 0, format!("text {row}")).unwrap();
        sheet.write_number(row, 1, row).unwrap();
    }
    workbook.save(setup.path("big.xlsx")).unwrap();
    stops::<Inspect>(&setup, all(json!({ "file": setup.path("big.xlsx") })), &Until::new("big.xlsx", 1));
}

#[cfg(feature = "simulator")]
#[test]
fn a_fetch_that_is_cancelled_asks_for_no_more() {
    use super::support::platform;

    let setup = Setup::small();
    let simulator =
        platform::start(&setup, "records.csv", |settings| settings.log = Some(setup.path("log.sqlite")));
    platform::ask(&setup, "files = [\"records.csv\"]\n", simulator.endpoint());
    // By a file: the environment is every test's.
    setup.write("password", platform::PASSWORD);
    let config = setup.read("tieout.toml").replace(&format!("env:{}", platform::VARIABLE), "file:password");
    setup.write("tieout.toml", config);
    let until = Until::new("GetSettlements", 1);
    let fault = ask::<Fetch>(with(&setup, json!({})), &View::everything(), &until).unwrap_err();
    assert_eq!(fault.kind(), Kind::Cancelled, "{fault}");
    assert_eq!(until.done.load(Ordering::Relaxed), 1);
    let partial = |(path, _): &(std::path::PathBuf, Vec<u8>)| path.to_string_lossy().contains("partial");
    assert!(!setup.files("").iter().any(partial), "{:?}", setup.files(""));
    // And what comes after it is whole.
    let page = answer::<Fetch>(with(&setup, json!({})));
    assert_eq!(page["count"], 2);
}

#[test]
fn what_to_do_about_a_file_fits_one_that_no_configuration_lists() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("empty.csv", &b""[..]), ("image.csv", b"\x7fELF\0\0\0")] {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let fault = refusal::<Inspect>(json!({ "file": file, "config": folder.path().join("none.toml") }));
        let said = fault.to_string();
        assert!(said.contains("keep it out of files = [...]") && !said.contains("take it out"), "{said}");
    }
}

#[test]
fn each_kind_of_fault_has_its_terms() {
    for (kind, exit_code, word) in [
        (Kind::Usage, 2, "usage"),
        (Kind::Configuration, 2, "configuration"),
        (Kind::Output, 2, "output"),
        (Kind::Denied, 2, "denied"),
        (Kind::Input, 3, "input"),
        (Kind::Platform, 4, "platform"),
        (Kind::SignIn, 4, "sign-in"),
        (Kind::Busy, 4, "busy"),
        (Kind::Cancelled, 130, "cancelled"),
        (Kind::Bug, 70, "bug"),
    ] {
        assert_eq!((kind.exit_code(), kind.word()), (exit_code, word));
    }
}
