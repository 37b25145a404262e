//! What goes wrong, and what is said of it: the place, what was found or expected, the next step, the exit code.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::support::{INVOICE, Outcome, Setup, column, shared, table};

/// An exit code for "usage or configuration".
const CONFIGURATION: i32 = 2;
/// An exit code for "input rejected".
const INPUT: i32 = 3;

/// One thing that is wrong with the small set-up, which ties out otherwise.
struct Case {
    name: &'static str,
    /// File, what stands there, and what shall stand there instead.
    edits: &'static [(&'static str, &'static str, &'static str)],
    code: i32,
    /// What stderr says.
    says: &'static [&'static str],
}

const TOML: &str = "tieout.toml";
const ALFA: &str = "invoices/alfa.csv";
const RECORDS: &str = "records.csv";
const PASS: &str = "[[pass]]\nname = \"line by line\"\nkey = [\"deal\", \"start\"]\n";
const TOLERANCE: &str = "field = \"amount\"\nabsolute = \"0.01\"\n";
/// A platform that is never called: what is wrong shows before.
const PLATFORM: &str = r#"source = "platform"

[platform]
endpoint = "http://127.0.0.1:9/Settlement.asmx"
namespace = "urn:x"
username = 'CORP\svc'
password = "env:TIEOUT_TEST_NO_SUCH_VARIABLE"
request = { operation = "Get", parameters = { who = "{vendor}", from = "{window.start}" }, records = "GetResult/Item" }

"#;

const CASES: &[Case] = &[
    Case {
        name: "an unknown key",
        edits: &[(TOML, "period =", "perod =")],
        code: CONFIGURATION,
        says: &["tieout.toml:4", "perod", "did you mean period?"],
    },
    Case {
        name: "an unknown table",
        edits: &[(TOML, "[[tolerance]]", "[[tolerances]]")],
        code: CONFIGURATION,
        says: &["tieout.toml:", "tolerances", "did you mean tolerance?"],
    },
    Case {
        name: "a name that is nearly a role",
        edits: &[(TOML, "quantity = \"Volume\"", "quantitty = \"Volume\"")],
        code: CONFIGURATION,
        says: &["[invoices.columns]", "quantitty", "did you mean quantity?"],
    },
    Case {
        name: "a word that is not one of the choices",
        edits: &[(TOML, "key = [\"deal\", \"start\"]", "key = [\"deal\"]\ncompare = \"total\"")],
        code: CONFIGURATION,
        says: &["tieout.toml:", "total", "did you mean totals?"],
    },
    Case {
        name: "a number without quotes",
        edits: &[(TOML, "absolute = \"0.01\"", "absolute = 0.01")],
        code: CONFIGURATION,
        says: &["tieout.toml:37", "0.01", "quotes"],
    },
    Case {
        name: "no TOML at all",
        edits: &[(TOML, "[reconciliation]", "[reconciliation")],
        code: CONFIGURATION,
        says: &["tieout.toml:1", "]"],
    },
    Case {
        name: "a zone that does not exist",
        edits: &[(TOML, "America/Chicago", "America/Chicgo")],
        code: CONFIGURATION,
        says: &["[reconciliation] time_zone", "America/Chicgo", "America/Chicago"],
    },
    Case {
        name: "a period that is none",
        edits: &[(TOML, "2026-10", "2026-13")],
        code: CONFIGURATION,
        says: &["period", "2026-13", "2026-10"],
    },
    Case {
        name: "a period that ends before it starts",
        edits: &[(TOML, "2026-10", "2026-10-15..2026-10-01")],
        code: CONFIGURATION,
        says: &["period", "2026-10-15..2026-10-01"],
    },
    Case {
        name: "no pass",
        edits: &[(TOML, PASS, "")],
        code: CONFIGURATION,
        says: &["tieout.toml", "[[pass]]", "key = "],
    },
    Case {
        name: "a pass without a key",
        edits: &[(TOML, "key = [\"deal\", \"start\"]", "key = []")],
        code: CONFIGURATION,
        says: &["[[pass]] \"line by line\"", "key = "],
    },
    Case {
        name: "a number as a key",
        edits: &[(TOML, "key = [\"deal\", \"start\"]", "key = [\"deal\", \"amount\"]")],
        code: CONFIGURATION,
        says: &["[[pass]] \"line by line\"", "amount", "[[tolerance]]"],
    },
    Case {
        name: "a function that is none",
        edits: &[(TOML, "key = [\"deal\", \"start\"]", "key = [\"month(deal)\"]")],
        code: CONFIGURATION,
        says: &["[[pass]] \"line by line\"", "month(deal)", "month(start)"],
    },
    Case {
        name: "a zone of one side that does not exist",
        edits: &[(
            TOML,
            "files = [\"invoices/*\"]\n",
            "files = [\"invoices/*\"]\ntime_zone = \"America/Chicgo\"\n",
        )],
        code: CONFIGURATION,
        says: &["[invoices] time_zone", "America/Chicgo", "did you mean America/Chicago?"],
    },
    Case {
        name: "an offset that is none",
        edits: &[(
            TOML,
            "files = [\"invoices/*\"]\n",
            "files = [\"invoices/*\"]\ntime_zone = \"UTC-25:00\"\n",
        )],
        code: CONFIGURATION,
        says: &["[invoices] time_zone", "UTC-25:00", "UTC-05:00"],
    },
    Case {
        name: "a length that is none",
        edits: &[(
            TOML,
            "files = [\"invoices/*\"]\n",
            "files = [\"invoices/*\"]\ninterval = \"7 minutes\"\n",
        )],
        code: CONFIGURATION,
        says: &["[invoices] interval", "7 minutes", "15 minutes"],
    },
    Case {
        name: "a gas day that begins at no time",
        edits: &[(TOML, "files = [\"invoices/*\"]\n", "files = [\"invoices/*\"]\ngas_day = \"9\"\n")],
        code: CONFIGURATION,
        says: &["[invoices] gas_day", "09:00"],
    },
    Case {
        name: "a rule for the repeated hour that is none",
        edits: &[(
            TOML,
            "files = [\"invoices/*\"]\n",
            "files = [\"invoices/*\"]\nrepeated_hour = \"frist\"\n",
        )],
        code: CONFIGURATION,
        says: &["tieout.toml:", "frist", "did you mean first?"],
    },
    Case {
        name: "an end that is stated twice",
        edits: &[
            (TOML, "files = [\"invoices/*\"]\n", "files = [\"invoices/*\"]\ninterval = \"1 hour\"\n"),
            (TOML, "start = \"From\"\n", "start = \"From\"\nend = \"Rate\"\n"),
        ],
        code: CONFIGURATION,
        says: &["[invoices] interval", "leave out interval"],
    },
    Case {
        name: "an hour that is stated twice",
        edits: &[
            (TOML, "files = [\"invoices/*\"]\n", "files = [\"invoices/*\"]\n"),
            (
                TOML,
                "start = \"From\"\n",
                "start = \"From\"\nhour_ending = \"Volume\"\nhour_beginning = \"Rate\"\n",
            ),
        ],
        code: CONFIGURATION,
        says: &["[invoices] columns", "twice"],
    },
    Case {
        name: "an hour without a date",
        edits: &[
            (TOML, "files = [\"invoices/*\"]\n", "files = [\"invoices/*\"]\n"),
            (TOML, "start = \"From\"\n", "hour_ending = \"From\"\n"),
        ],
        code: CONFIGURATION,
        says: &["[invoices] columns", "which date", "start = "],
    },
    Case {
        name: "an hour with an end",
        edits: &[
            (TOML, "files = [\"invoices/*\"]\n", "files = [\"invoices/*\"]\n"),
            (TOML, "start = \"From\"\n", "start = \"From\"\nend = \"Rate\"\nhour_ending = \"Volume\"\n"),
        ],
        code: CONFIGURATION,
        says: &["[invoices] columns", "end", "hour_ending"],
    },
    Case {
        name: "an hour that lasts a quarter",
        edits: &[
            (TOML, "files = [\"invoices/*\"]\n", "files = [\"invoices/*\"]\ninterval = \"15 minutes\"\n"),
            (TOML, "start = \"From\"\n", "start = \"From\"\nhour_ending = \"Volume\"\n"),
        ],
        code: CONFIGURATION,
        says: &["[invoices] interval", "15 minutes", "interval_number"],
    },
    Case {
        name: "numbers of intervals without a length",
        edits: &[
            (TOML, "files = [\"invoices/*\"]\n", "files = [\"invoices/*\"]\n"),
            (TOML, "start = \"From\"\n", "start = \"From\"\ninterval_number = \"Volume\"\n"),
        ],
        code: CONFIGURATION,
        says: &["[invoices] interval", "15 minutes"],
    },
    Case {
        name: "days that are counted in a day",
        edits: &[
            (TOML, "files = [\"invoices/*\"]\n", "files = [\"invoices/*\"]\ninterval = \"1 day\"\n"),
            (TOML, "start = \"From\"\n", "start = \"From\"\ninterval_number = \"Volume\"\n"),
        ],
        code: CONFIGURATION,
        says: &["[invoices] interval", "1 day"],
    },
    Case {
        name: "hours by the clock of a gas day",
        edits: &[
            (TOML, "files = [\"invoices/*\"]\n", "files = [\"invoices/*\"]\ngas_day = \"09:00\"\n"),
            (TOML, "start = \"From\"\n", "start = \"From\"\nhour_ending = \"Volume\"\n"),
        ],
        code: CONFIGURATION,
        says: &["[invoices] gas_day", "interval_number"],
    },
    Case {
        name: "two columns that tell a repeated hour",
        edits: &[
            (TOML, "files = [\"invoices/*\"]\n", "files = [\"invoices/*\"]\ninterval = \"1 hour\"\n"),
            (TOML, "start = \"From\"\n", "start = \"From\"\nrepeated = \"Volume\"\ndaylight = \"Rate\"\n"),
        ],
        code: CONFIGURATION,
        says: &["[invoices] columns", "repeated, daylight"],
    },
    Case {
        name: "a repeated hour of a time without changes",
        edits: &[(
            TOML,
            "files = [\"invoices/*\"]\n",
            "files = [\"invoices/*\"]\ntime_zone = \"UTC-06:00\"\nrepeated_hour = \"first\"\n",
        )],
        code: CONFIGURATION,
        says: &["[invoices] repeated_hour", "UTC-06:00", "the same all year"],
    },
    Case {
        name: "a repeated hour of intervals that are counted",
        edits: &[
            (
                TOML,
                "files = [\"invoices/*\"]\n",
                "files = [\"invoices/*\"]\ninterval = \"1 hour\"\nrepeated_hour = \"first\"\n",
            ),
            (TOML, "start = \"From\"\n", "start = \"From\"\ninterval_number = \"Volume\"\n"),
        ],
        code: CONFIGURATION,
        says: &["[invoices] repeated_hour", "counted"],
    },
    Case {
        name: "an hour 25 without hours",
        edits: &[(
            TOML,
            "files = [\"invoices/*\"]\n",
            "files = [\"invoices/*\"]\nrepeated_hour = \"hour 25\"\n",
        )],
        code: CONFIGURATION,
        says: &["[invoices] repeated_hour", "hour_ending"],
    },
    Case {
        name: "an end date without an end",
        edits: &[(TOML, "files = [\"invoices/*\"]\n", "files = [\"invoices/*\"]\nend_date = \"included\"\n")],
        code: CONFIGURATION,
        says: &["[invoices] end_date", "map end"],
    },
    Case {
        name: "a column of the whole row beside a column for each hour",
        edits: &[(
            TOML,
            "quantity = \"Volume\"\nprice = \"Rate\"",
            "quantity = \"Volume{hour_ending}\"\nprice = \"Rate\"",
        )],
        code: CONFIGURATION,
        says: &["[invoices.columns]", "amount", "each hour"],
    },
    Case {
        name: "a text with a column for each hour",
        edits: &[(TOML, "deal = \"Contract\"", "deal = \"C{hour_ending}\"")],
        code: CONFIGURATION,
        says: &["[invoices.columns]", "deal", "quantity, price or amount"],
    },
    Case {
        name: "a part of an interval as a key",
        edits: &[(TOML, "key = [\"deal\", \"start\"]", "key = [\"deal\", \"hour_ending\"]")],
        code: CONFIGURATION,
        says: &["hour_ending(start)"],
    },
    Case {
        name: "a gas day that begins at no time of day",
        edits: &[(TOML, "key = [\"deal\", \"start\"]", "key = ['deal', 'gas_day(start, \"25:00\")']")],
        code: CONFIGURATION,
        says: &["[[pass]] \"line by line\"", "25:00", "09:00"],
    },
    Case {
        name: "a gas day that begins nowhere",
        edits: &[(TOML, "key = [\"deal\", \"start\"]", "key = [\"deal\", \"gas_day(start)\"]")],
        code: CONFIGURATION,
        says: &["gas_day(start, \"09:00\")"],
    },
    Case {
        name: "a calendar function that is nearly one",
        edits: &[(TOML, "key = [\"deal\", \"start\"]", "key = [\"deal\", \"quarterhour(start)\"]")],
        code: CONFIGURATION,
        says: &["quarterhour(start)", "did you mean quarter_hour?"],
    },
    Case {
        name: "an hour ending of a side without ends",
        edits: &[(TOML, "key = [\"deal\", \"start\"]", "key = [\"deal\", \"hour_ending(end)\"]")],
        code: CONFIGURATION,
        says: &["[invoices.columns]", "end is compared"],
    },
    Case {
        name: "a key that only one side has",
        edits: &[(TOML, "key = [\"deal\", \"start\"]", "key = [\"document\"]")],
        code: CONFIGURATION,
        says: &["[settlements.columns]", "document"],
    },
    Case {
        name: "a tolerance without a field",
        edits: &[(TOML, "field = \"amount\"\n", "")],
        code: CONFIGURATION,
        says: &["tieout.toml:", "field"],
    },
    Case {
        name: "a tolerance of a field that has none",
        edits: &[(TOML, "field = \"amount\"\n", "field = \"deal\"\n")],
        code: CONFIGURATION,
        says: &["[[tolerance]]", "deal", "quantity, price or amount"],
    },
    Case {
        name: "a tolerance without a limb",
        edits: &[(TOML, TOLERANCE, "field = \"amount\"\n")],
        code: CONFIGURATION,
        says: &["[[tolerance]]", "absolute, percent"],
    },
    Case {
        name: "two limbs and nothing that says which counts",
        edits: &[(TOML, TOLERANCE, "field = \"amount\"\nabsolute = \"0.01\"\npercent = \"1\"\n")],
        code: CONFIGURATION,
        says: &["[[tolerance]]", "combine = \"greater\""],
    },
    Case {
        name: "a tolerance that is no number",
        edits: &[(TOML, "\"0.01\"", "\"1e-2\"")],
        code: CONFIGURATION,
        says: &["[[tolerance]] absolute", "1e-2", "0.01"],
    },
    Case {
        name: "a tolerance of one currency",
        edits: &[(TOML, "\"0.01\"", "\"0.01 USD\"")],
        code: CONFIGURATION,
        says: &["[[tolerance]] absolute", "0.01 USD", "when = { currency"],
    },
    Case {
        name: "a tolerance with a percent sign",
        edits: &[(TOML, "absolute = \"0.01\"", "percent = \"0.5 %\"")],
        code: CONFIGURATION,
        says: &["[[tolerance]] percent", "0.5 %"],
    },
    Case {
        name: "one file instead of a list",
        edits: &[(TOML, "[\"records.csv\"]", "\"records.csv\"")],
        code: CONFIGURATION,
        says: &["tieout.toml:20", "a list"],
    },
    Case {
        name: "a default for nothing",
        edits: &[(TOML, "[invoices]", "[invoices]\ndefaults = { curency = \"USD\" }")],
        code: CONFIGURATION,
        says: &["[invoices.defaults]", "curency", "did you mean currency?"],
    },
    Case {
        name: "a default for an amount",
        edits: &[(TOML, "[invoices]", "[invoices]\ndefaults = { amount = \"0\" }")],
        code: CONFIGURATION,
        says: &["[invoices.defaults]", "amount", "does not invent"],
    },
    Case {
        name: "a negative tolerance",
        edits: &[(TOML, "\"0.01\"", "\"-0.01\"")],
        code: CONFIGURATION,
        says: &["[[tolerance]]", "-0.01", "zero or more"],
    },
    Case {
        name: "a cap below the floor",
        edits: &[(TOML, TOLERANCE, "field = \"amount\"\npercent = \"1\"\nfloor = \"5\"\ncap = \"1\"\n")],
        code: CONFIGURATION,
        says: &["[[tolerance]]", "floor 5, cap 1", "widen the cap"],
    },
    Case {
        name: "a cap of a fixed limit",
        edits: &[(TOML, TOLERANCE, "field = \"amount\"\nabsolute = \"1\"\ncap = \"5\"\n")],
        code: CONFIGURATION,
        says: &["[[tolerance]]", "absolute 1", "neither floor nor cap"],
    },
    Case {
        name: "combine for one limb",
        edits: &[(TOML, TOLERANCE, "field = \"amount\"\nper_line = \"0.005\"\ncombine = \"lesser\"\n")],
        code: CONFIGURATION,
        says: &["[[tolerance]]", "only one limb", "remove combine"],
    },
    Case {
        name: "percent of something, without a percent",
        edits: &[(TOML, TOLERANCE, "field = \"amount\"\nabsolute = \"1\"\nof = \"larger\"\n")],
        code: CONFIGURATION,
        says: &["[[tolerance]]", "larger", "state percent"],
    },
    Case {
        name: "percent of what does not exist",
        edits: &[(TOML, TOLERANCE, "field = \"amount\"\npercent = \"1\"\nof = \"billed\"\n")],
        code: CONFIGURATION,
        says: &["tieout.toml:", "billed", "settled"],
    },
    Case {
        name: "a percentage with too many digits",
        edits: &[(TOML, TOLERANCE, "field = \"amount\"\npercent = \"0.123456789\"\n")],
        code: CONFIGURATION,
        says: &["[[tolerance]]", "percent 0.123456789", "eight of them"],
    },
    Case {
        name: "a tolerance behind one that concerns all",
        edits: &[(
            TOML,
            TOLERANCE,
            "field = \"amount\"\nabsolute = \"0.01\"\n\n[[tolerance]]\nfield = \"amount\"\npercent = \"1\"\nwhen = { deal = \"G-1\" }\n",
        )],
        code: CONFIGURATION,
        says: &["[[tolerance]] 2 of amount", "amount 1 %, behind amount 0.01", "narrower `when` first"],
    },
    Case {
        name: "a tolerance behind a wider `when`",
        edits: &[(
            TOML,
            TOLERANCE,
            "field = \"amount\"\nabsolute = \"0.01\"\nwhen = { deal = [\"G-1\", \"G-2\"] }\n\n[[tolerance]]\nfield = \"amount\"\npercent = \"1\"\nwhen = { deal = \"G-2\", vendor = \"V\" }\n",
        )],
        code: CONFIGURATION,
        says: &["[[tolerance]] 2 of amount", "can never apply"],
    },
    Case {
        name: "a minimum of one currency",
        edits: &[(
            TOML,
            PASS,
            "[report]\nminimum = \"10 USD\"\n\n[[pass]]\nname = \"a\"\nkey = [\"deal\"]\n",
        )],
        code: CONFIGURATION,
        says: &["[report] minimum", "10 USD", "leave the currency out"],
    },
    Case {
        name: "a tax rate that is given twice",
        edits: &[(
            TOML,
            PASS,
            "[judge]\ntax_rates = [\"7.5\", \"7.50\"]\n\n[[pass]]\nname = \"a\"\nkey = [\"deal\"]\n",
        )],
        code: CONFIGURATION,
        says: &["[judge] tax_rates", "7.50", "given twice"],
    },
    Case {
        name: "an alias with two names",
        edits: &[
            (
                TOML,
                PASS,
                "[normalise.deal]\naliases = \"deals.csv\"\n\n[[pass]]\nname = \"a\"\nkey = [\"deal\"]\n",
            ),
            ("deals.csv", "", "alias,name\nX-1,G-1\nX-1,G-2\n"),
        ],
        code: CONFIGURATION,
        says: &["deals.csv:3", "G-1", "G-2"],
    },
    Case {
        name: "an alias of an alias",
        edits: &[
            (
                TOML,
                PASS,
                "[normalise.deal]\naliases = \"deals.csv\"\n\n[[pass]]\nname = \"a\"\nkey = [\"deal\"]\n",
            ),
            ("deals.csv", "", "alias,name\nX-1,X-2\nX-2,G-2\n"),
        ],
        code: CONFIGURATION,
        says: &["deals.csv:2", "X-2"],
    },
    Case {
        name: "no alias table",
        edits: &[(
            TOML,
            PASS,
            "[normalise.deal]\naliases = \"deals.csv\"\n\n[[pass]]\nname = \"a\"\nkey = [\"deal\"]\n",
        )],
        code: CONFIGURATION,
        says: &["deals.csv"],
    },
    Case {
        name: "a rule for nothing",
        edits: &[(
            TOML,
            PASS,
            "[normalise.dael]\ncase = \"fold\"\n\n[[pass]]\nname = \"a\"\nkey = [\"deal\"]\n",
        )],
        code: CONFIGURATION,
        says: &["[normalise]", "dael", "did you mean deal?"],
    },
    Case {
        name: "a key that names a part twice",
        edits: &[(TOML, "key = [\"deal\", \"start\"]", "key = [\"deal\", \"start\", \"deal\"]")],
        code: CONFIGURATION,
        says: &["[[pass]] \"line by line\"", "names this twice", "deal"],
    },
    Case {
        name: "a pass without a name",
        edits: &[(TOML, "name = \"line by line\"", "name = \" \"")],
        code: CONFIGURATION,
        says: &["[[pass]]", "no name"],
    },
    Case {
        name: "two passes of one name",
        edits: &[(
            TOML,
            "key = [\"deal\", \"start\"]",
            "key = [\"deal\", \"start\"]\n
[[pass]]
name = \"line by line\"
key = [\"deal\"]
",
        )],
        code: CONFIGURATION,
        says: &["[[pass]] \"line by line\"", "two passes have this name"],
    },
    Case {
        name: "a pass for which nothing is left",
        edits: &[(
            TOML,
            "key = [\"deal\", \"start\"]",
            "key = [\"deal\", \"start\"]\n
[[pass]]
name = \"again\"
key = [\"start\", \"deal\"]
compare = \"totals\"",
        )],
        code: CONFIGURATION,
        says: &["[[pass]] \"again\"", "can never match anything", "the key of \"line by line\""],
    },
    Case {
        name: "a window without a start",
        edits: &[(TOML, "key = [\"deal\", \"start\"]", "key = [\"deal\"]\nwithin = \"1 day\"")],
        code: CONFIGURATION,
        says: &["[[pass]] \"line by line\"", "within = \"1 day\"", "start is not in the key"],
    },
    Case {
        name: "a window and nothing else",
        edits: &[(TOML, "key = [\"deal\", \"start\"]", "key = [\"start\"]\nwithin = \"1 day\"")],
        code: CONFIGURATION,
        says: &["[[pass]] \"line by line\"", "nothing but their time"],
    },
    Case {
        name: "a window that is none",
        edits: &[(
            TOML,
            "key = [\"deal\", \"start\"]",
            "key = [\"deal\", \"start\"]\nwithin = \"1 fortnight\"",
        )],
        code: CONFIGURATION,
        says: &["[[pass]] \"line by line\"", "1 fortnight", "2 hours"],
    },
    Case {
        name: "a window of nothing",
        edits: &[(TOML, "key = [\"deal\", \"start\"]", "key = [\"deal\", \"start\"]\nwithin = \"0 days\"")],
        code: CONFIGURATION,
        says: &["[[pass]] \"line by line\"", "0 days", "1 minute"],
    },
    Case {
        name: "a window of an eternity",
        edits: &[(
            TOML,
            "key = [\"deal\", \"start\"]",
            "key = [\"deal\", \"start\"]\nwithin = \"9000 hours\"",
        )],
        code: CONFIGURATION,
        says: &["[[pass]] \"line by line\"", "9000 hours", "366 days"],
    },
    Case {
        name: "a window of totals",
        edits: &[(
            TOML,
            "key = [\"deal\", \"start\"]",
            "key = [\"deal\", \"start\"]\nwithin = \"1 day\"
compare = \"totals\"",
        )],
        code: CONFIGURATION,
        says: &["[[pass]] \"line by line\"", "compares something else"],
    },
    Case {
        name: "a sum that nothing is summed for",
        edits: &[(TOML, "key = [\"deal\", \"start\"]", "key = [\"deal\", \"start\"]\nsum_within = \"0.05\"")],
        code: CONFIGURATION,
        says: &["[[pass]] \"line by line\"", "sum_within", "compare = \"subset\""],
    },
    Case {
        name: "parts of nothing",
        edits: &[(TOML, "key = [\"deal\", \"start\"]", "key = [\"deal\", \"start\"]\nof = \"invoices\"")],
        code: CONFIGURATION,
        says: &["[[pass]] \"line by line\"", "of", "compare = \"subset\""],
    },
    Case {
        name: "parts of somebody else",
        edits: &[(
            TOML,
            "key = [\"deal\", \"start\"]",
            "key = [\"deal\", \"start\"]\ncompare = \"subset\"
of = \"invoice\"",
        )],
        code: CONFIGURATION,
        says: &["tieout.toml:", "invoice", "did you mean invoices?"],
    },
    Case {
        name: "a sum that may be less than nothing",
        edits: &[(
            TOML,
            "key = [\"deal\", \"start\"]",
            "key = [\"deal\", \"start\"]\ncompare = \"subset\"
sum_within = \"-0.05\"",
        )],
        code: CONFIGURATION,
        says: &["[[pass]] \"line by line\" sum_within", "-0.05", "cannot be negative"],
    },
    Case {
        name: "subsets without amounts",
        edits: &[
            (TOML, "key = [\"deal\", \"start\"]", "key = [\"deal\", \"start\"]\ncompare = \"subset\""),
            (TOML, "amount = \"Amount\"\n", ""),
        ],
        code: CONFIGURATION,
        says: &["[settlements.columns]", "sub-sets are of amounts", "[[pass]] \"line by line\""],
    },
    Case {
        name: "a tolerance for what nobody states",
        edits: &[(TOML, "price = \"Price\"\n", ""), (TOML, "field = \"amount\"", "field = \"price\"")],
        code: CONFIGURATION,
        says: &["[settlements.columns]", "would do nothing", "price 0.01"],
    },
    Case {
        name: "a tolerance per unit without units",
        edits: &[
            (TOML, "quantity = \"Volume\"\nprice = \"Price\"", "price = \"Price\""),
            (TOML, "absolute = ", "per_unit = "),
        ],
        code: CONFIGURATION,
        says: &["[settlements.columns]", "would do nothing", "quantity", "amount 0.01 per unit"],
    },
    Case {
        name: "a pattern that is none",
        edits: &[(
            TOML,
            "[[pass]]",
            "[normalise.deal]\nreplace = [{ pattern = 'TX-(', with = \"\" }]\n\n[[pass]]",
        )],
        code: CONFIGURATION,
        says: &["[normalise.deal] replace", "TX-(", "unclosed group"],
    },
    Case {
        name: "a group that its pattern does not have",
        edits: &[(
            TOML,
            "[[pass]]",
            "[normalise.deal]\nreplace = [{ pattern = 'TX-(\\d+)', with = \"$1x\" }]\n\n[[pass]]",
        )],
        code: CONFIGURATION,
        says: &["[normalise.deal] replace", "$1x", "${1}x"],
    },
    Case {
        name: "a pattern without end",
        edits: &[(
            TOML,
            "[[pass]]",
            "[normalise.deal]\nreplace = [{ pattern = 'G', with = \"GG\" }]\n\n[[pass]]",
        )],
        code: CONFIGURATION,
        says: &["[normalise.deal] replace", "would be replaced again", "anchor"],
    },
    Case {
        name: "a replacement without its text",
        edits: &[(TOML, "[[pass]]", "[normalise.deal]\nreplace = [{ pattern = 'G' }]\n\n[[pass]]")],
        code: CONFIGURATION,
        says: &["tieout.toml:", "missing field", "with"],
    },
    Case {
        name: "aliases that lead in a circle",
        edits: &[
            (TOML, "[[pass]]", "[normalise.deal]\naliases = \"deals.csv\"\n\n[[pass]]"),
            ("deals.csv", "", "alias,name\nX-1,X-2\nX-2,X-1\n"),
        ],
        code: CONFIGURATION,
        says: &["deals.csv:", "alias of another line again"],
    },
    Case {
        name: "an alias of a blank",
        edits: &[
            (TOML, "[[pass]]", "[normalise.deal]\naliases = \"deals.csv\"\n\n[[pass]]"),
            ("deals.csv", "", "alias,name\nX-1, \n"),
        ],
        code: CONFIGURATION,
        says: &["deals.csv:2", "blank is neither"],
    },
    Case {
        name: "a glob that matches nothing",
        edits: &[(TOML, "invoices/*", "invoices/*.xlsx")],
        code: INPUT,
        says: &["invoices/*.xlsx", "arrived"],
    },
    Case {
        name: "a missing column",
        edits: &[(ALFA, ",Total,", ",Totl,")],
        code: INPUT,
        says: &[
            "invoices/alfa.csv",
            "\"Total\" for amount",
            "did you mean \"Totl\"?",
            "[invoices.columns] amount",
        ],
    },
    Case {
        name: "a missing column of the records",
        edits: &[(RECORDS, "TradeId", "DealId")],
        code: INPUT,
        says: &["records.csv", "\"TradeId\" for deal", "[settlements.columns] deal"],
    },
    Case {
        name: "an empty file",
        edits: &[(ALFA, INVOICE, "")],
        code: INPUT,
        says: &["invoices/alfa.csv", "empty"],
    },
    Case {
        name: "a PDF that is called CSV",
        edits: &[(ALFA, INVOICE, "%PDF-1.7\n")],
        code: INPUT,
        says: &["invoices/alfa.csv", "PDF", "save it as .xlsx"],
    },
    Case {
        name: "a workbook that is none",
        edits: &[(ALFA, INVOICE, "PK\u{3}\u{4} and nothing else")],
        code: INPUT,
        says: &["invoices/alfa.csv", "save"],
    },
    Case {
        name: "the platform without a place",
        edits: &[(TOML, "files = [\"records.csv\"]\n", "source = \"platform\"\n")],
        code: CONFIGURATION,
        says: &["[settlements] source", "[platform]"],
    },
    Case {
        name: "a secret that is not there",
        edits: &[(TOML, "files = [\"records.csv\"]\n", PLATFORM)],
        code: CONFIGURATION,
        says: &["env:TIEOUT_TEST_NO_SUCH_VARIABLE", "is not set", "export"],
    },
    Case {
        name: "a placeholder that nobody fills",
        edits: &[(TOML, "files = [\"records.csv\"]\n", PLATFORM), (TOML, "{vendor}", "{vendors}")],
        code: CONFIGURATION,
        says: &["[platform.request] parameters", "{vendors}", "did you mean {vendor}?"],
    },
    Case {
        name: "a placeholder that is not closed",
        edits: &[(TOML, "files = [\"records.csv\"]\n", PLATFORM), (TOML, "{vendor}", "{vendor")],
        code: CONFIGURATION,
        says: &["tieout.toml:", "not closed"],
    },
    Case {
        name: "a window without a period",
        edits: &[(TOML, "files = [\"records.csv\"]\n", PLATFORM), (TOML, "period = \"2026-10\"\n", "")],
        code: CONFIGURATION,
        says: &["[platform.request] parameters", "{window.start}", "--period"],
    },
    Case {
        name: "a vendor that nobody reads",
        edits: &[(TOML, "files = [\"records.csv\"]\n", PLATFORM), (TOML, "vendor = \"Seller\"\n", "")],
        code: CONFIGURATION,
        says: &["[invoices.columns]", "vendor"],
    },
    Case {
        name: "a password in the endpoint",
        edits: &[
            (TOML, "files = [\"records.csv\"]\n", PLATFORM),
            (TOML, "http://127", "http://svc:hunter2@127"),
        ],
        code: CONFIGURATION,
        says: &["[platform] endpoint", "username and password"],
    },
    Case {
        name: "a secret written down as text",
        edits: &[
            (TOML, "files = [\"records.csv\"]\n", PLATFORM),
            (TOML, "env:TIEOUT_TEST_NO_SUCH_VARIABLE", "hunter2"),
        ],
        code: CONFIGURATION,
        says: &["tieout.toml:26", "env:NAME, file:PATH"],
    },
    Case {
        name: "a secret with a colon in it",
        edits: &[
            (TOML, "files = [\"records.csv\"]\n", PLATFORM),
            (TOML, "env:TIEOUT_TEST_NO_SUCH_VARIABLE", "x:hunter2"),
        ],
        code: CONFIGURATION,
        says: &["tieout.toml:26", "env:NAME, file:PATH"],
    },
    Case {
        name: "a secret that is a number",
        edits: &[
            (TOML, "files = [\"records.csv\"]\n", PLATFORM),
            (TOML, "\"env:TIEOUT_TEST_NO_SUCH_VARIABLE\"", "7770777"),
        ],
        code: CONFIGURATION,
        says: &["tieout.toml:26", "env:NAME, file:PATH"],
    },
    Case {
        name: "a secret in a list",
        edits: &[
            (TOML, "files = [\"records.csv\"]\n", PLATFORM),
            (TOML, "\"env:TIEOUT_TEST_NO_SUCH_VARIABLE\"", "[\"hunter2\"]"),
        ],
        code: CONFIGURATION,
        says: &["tieout.toml:26", "env:NAME, file:PATH"],
    },
    Case {
        name: "a secret without quotes",
        edits: &[
            (TOML, "files = [\"records.csv\"]\n", PLATFORM),
            (TOML, "\"env:TIEOUT_TEST_NO_SUCH_VARIABLE\"", "hunter2"),
        ],
        code: CONFIGURATION,
        says: &["tieout.toml:26", "quote"],
    },
    Case {
        name: "a secret that is left open",
        edits: &[
            (TOML, "files = [\"records.csv\"]\n", PLATFORM),
            (TOML, "\"env:TIEOUT_TEST_NO_SUCH_VARIABLE\"", "\"hunter2"),
        ],
        code: CONFIGURATION,
        says: &["tieout.toml:26"],
    },
    Case {
        name: "a secret under a wrong key",
        edits: &[
            (TOML, "files = [\"records.csv\"]\n", PLATFORM),
            (TOML, "password = \"env:TIEOUT_TEST_NO_SUCH_VARIABLE\"", "pasword = \"hunter2\""),
        ],
        code: CONFIGURATION,
        says: &["tieout.toml:26", "did you mean password?"],
    },
    Case {
        name: "a window's pattern that is none",
        edits: &[
            (TOML, "files = [\"records.csv\"]\n", PLATFORM),
            (TOML, "{window.start}", "{window.start:%!}"),
        ],
        code: CONFIGURATION,
        says: &["[platform.request] parameters", "%!", "strftime"],
    },
];

/// What nobody may ever read again.
const SECRETS: [&str; 2] = ["hunter2", "7770777"];

/// A failure that says where, and what to do, and has left no report.
fn assert_fails(name: &str, setup: &Setup, outcome: &Outcome, code: i32, says: &[&str]) {
    let Outcome { code: found, stdout, stderr } = outcome;
    assert_eq!((*found, stdout.as_str()), (Some(code), ""), "{name}: {stderr}");
    assert!(stderr.starts_with("error: ") && stderr.ends_with('\n'), "{name}: {stderr}");
    for phrase in says {
        assert!(stderr.contains(phrase), "{name}: {phrase:?} is not said in {stderr}");
    }
    for secret in SECRETS {
        assert!(!stderr.contains(secret), "{name}: {stderr}");
    }
    assert!(setup.files("reports").is_empty(), "{name}: {:?}", setup.files("reports"));
}

#[test]
fn every_mistake_is_named_with_its_place_and_the_next_step() {
    assert_eq!(Setup::small().reconcile(&[]).code, Some(0), "without a mistake it ties out");
    for Case { name, edits, code, says } in CASES {
        let setup = Setup::small();
        for (file, from, to) in *edits {
            if from.is_empty() {
                setup.write(file, to);
            } else {
                setup.edit(file, from, to);
            }
        }
        assert_fails(name, &setup, &setup.reconcile(&[]), *code, says);
    }
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let setup = Setup::small();
    for (arguments, says) in [
        (["--config", "nowhere.toml"], ["nowhere.toml", "--config"]),
        (["--config", "."], [".: the configuration cannot be read", "--config"]),
        (["--period", "octember"], ["octember", "last month"]),
        (["--limit", "many"], ["--limit", "many"]),
    ] {
        assert_fails(arguments[1], &setup, &setup.reconcile(&arguments), CONFIGURATION, &says);
    }
    setup.write("latin.toml", b"# caf\xe9\n");
    let says = ["latin.toml", "save it as UTF-8"];
    assert_fails("Latin-1", &setup, &setup.reconcile(&["--config", "latin.toml"]), CONFIGURATION, &says);
    // What Windows' own editor writes is fine.
    setup.write("windows.toml", format!("\u{feff}{}", setup.read(TOML).replace('\n', "\r\n")));
    assert_eq!(setup.reconcile(&["--config", "windows.toml"]).code, Some(0));
}

#[test]
fn a_row_that_cannot_be_read_is_rejected_and_reported() {
    for (row, column, value, reason) in [
        ("INV-1,ALFA GAS,G-3,2026-10-03,1,1,12.x5,USD", "Total", "12.x5", "number"),
        ("INV-1,ALFA GAS,G-3,2026-10-03,1,1,1e3,USD", "Total", "1e3", "number"),
        ("INV-1,ALFA GAS,G-3,2026-10-03,1,1,,USD", "Total", "", "blank"),
        ("INV-1,ALFA GAS,G-3,2026-10-03,NaN,1,1.00,USD", "Volume", "NaN", "number"),
        ("INV-1,ALFA GAS,G-3,31/31/2026,1,1,1.00,USD", "From", "31/31/2026", "date"),
        ("INV-1,ALFA GAS,G-3,2026-02-30,1,1,1.00,USD", "From", "2026-02-30", "date"),
        ("INV-1,ALFA GAS,G-3,2026-10-03,1,1,1.00 EUR,USD", "Total", "1.00 EUR", "EUR"),
        ("INV-1,ALFA GAS,G-3,2026-10-03,1,1,1.00,USD,surplus", "", "", "9 cells"),
        (
            "INV-1,ALFA GAS,G-3,2026-10-03,1,1,99999999999999999999999999999999,USD",
            "Total",
            "99999999999999999999999999999999",
            "digits",
        ),
    ] {
        let setup = Setup::small();
        setup.write(ALFA, format!("{INVOICE}{row}\n"));
        let outcome = setup.reconcile(&[]);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(INPUT), ""), "{row}: {}", outcome.stdout);
        assert!(outcome.stdout.contains(", 1 row"), "{}", outcome.stdout);
        assert!(outcome.stdout.contains("rejected invoices/alfa.csv:4"), "{}", outcome.stdout);
        let rejects = table(&setup.read("reports/rejects.csv"));
        assert_eq!(rejects.len(), 2);
        assert_eq!(rejects[1][..4], ["invoice", "invoices/alfa.csv:4", column, value], "{row}");
        assert!(column_text(&rejects, "reason").contains(reason), "{:?}", rejects[1]);
        // What was judged is reported all the same, and the rejected line is accounted for.
        let summary: serde_json::Value = serde_json::from_str(&setup.read("reports/summary.json")).unwrap();
        assert_eq!(summary["groups"]["matched"], 2, "{row}");
        let totals = &summary["control_totals"]["invoice"];
        let lines = |class: &str| -> u64 {
            totals.as_object().unwrap().values().map(|total| total[class]["lines"].as_u64().unwrap()).sum()
        };
        assert_eq!((lines("read"), lines("matched"), lines("rejected")), (3, 2, 1), "{row}");
    }
}

#[test]
fn rejects_that_are_allowed_leave_the_verdict_to_the_rest() {
    let setup = Setup::small();
    setup.write(ALFA, format!("{INVOICE}INV-1,ALFA GAS,G-3,2026-10-03,1,1,much,USD\n"));
    assert_eq!(setup.reconcile(&[]).code, Some(INPUT));
    assert_eq!(setup.reconcile(&["--allow-rejects", "0"]).code, Some(INPUT));
    assert_eq!(setup.reconcile(&["--allow-rejects", "1"]).code, Some(0));
    setup.edit(RECORDS, "620.00", "621.00");
    assert_eq!(setup.reconcile(&["--allow-rejects", "1"]).code, Some(1));
    setup.edit(TOML, "[invoices]", "allow_rejects = 1\n\n[invoices]");
    assert_eq!(setup.reconcile(&[]).code, Some(1));
    assert_eq!(setup.reconcile(&["--allow-rejects", "0"]).code, Some(INPUT), "the command line wins");
}

#[test]
fn what_a_spreadsheet_would_run_is_text() {
    let setup = Setup::small();
    let line = "@INV,=cmd|' /C calc'!A0,+G-9,2026-10-01,1,1,-1.00,USD\n=1+1,-x,\tG,2026-10-01,1,1,=2+3,USD\n";
    setup.write(ALFA, format!("{INVOICE}{line}"));
    assert_eq!(setup.reconcile(&[]).code, Some(INPUT));
    for report in ["discrepancies.csv", "rejects.csv"] {
        let report = table(&setup.read(&format!("reports/{report}")));
        assert_eq!(report.len(), 2);
        for cell in report.iter().flatten().filter(|cell| cell.starts_with(['=', '+', '-', '@', '\t'])) {
            assert!(cell.parse::<f64>().is_ok(), "{cell:?} is neither text nor a number");
        }
        assert!(report[1].iter().any(|cell| cell == "'@INV" || cell == "'=2+3"), "{report:?}");
    }
}

/// The one cell below `header`.
fn column_text<'a>(table: &'a [Vec<String>], header: &str) -> &'a str {
    column(table, header)[0]
}

#[test]
fn a_workbook_that_cannot_be_opened_says_why() {
    let mut workbook = rust_xlsxwriter::Workbook::new();
    let sheet = workbook.add_worksheet();
    for (row, cells) in (0_u32..).zip(table(INVOICE)) {
        for (column, cell) in (0_u16..).zip(cells) {
            sheet.write(row, column, cell).unwrap();
        }
    }
    let bytes = workbook.save_to_buffer().unwrap();
    let setup = Setup::small();
    fs::remove_file(setup.path(ALFA)).unwrap();
    setup.write("invoices/alfa.xlsx", &bytes);
    assert_eq!(setup.reconcile(&["--output", "whole"]).code, Some(0));
    for length in [4, 100, bytes.len() / 2, bytes.len() - 100, bytes.len() - 1] {
        setup.write("invoices/alfa.xlsx", &bytes[..length]);
        let says = ["invoices/alfa.xlsx", "damaged or cut off", "next: ask for the file again"];
        assert_fails(&format!("{length} bytes"), &setup, &setup.reconcile(&[]), INPUT, &says);
    }
    let Some(protected) = shared("data/excel/password-protected-password123.xlsx") else { return };
    setup.write("invoices/alfa.xlsx", fs::read(protected).unwrap());
    let says = ["invoices/alfa.xlsx", "password", "next: "];
    assert_fails("a password", &setup, &setup.reconcile(&[]), INPUT, &says);
}

#[test]
fn reports_that_cannot_be_written_leave_the_earlier_ones_alone() {
    let setup = Setup::small();
    assert_eq!(setup.reconcile(&[]).code, Some(0));
    let earlier = setup.files("reports");
    assert_eq!(earlier.len(), 5);
    setup.edit(RECORDS, "325.00", "326.00");
    let assert_refused = |outcome: &Outcome, says: &[&str]| {
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(CONFIGURATION), ""), "{}", outcome.stderr);
        for phrase in says {
            assert!(outcome.stderr.contains(phrase), "{phrase:?} is not said in {}", outcome.stderr);
        }
        // Neither changed nor joined by anything, such as a half-written file.
        assert_eq!(setup.files("reports"), earlier);
    };
    // A path that leads through a file, and a place where not even root can write.
    assert_refused(
        &setup.reconcile(&["--output", "records.csv/reports"]),
        &["records.csv/reports", "--output", "next: "],
    );
    if Path::new("/proc/self").exists() {
        assert_refused(&setup.reconcile(&["--output", "/proc"]), &["/proc: ", "--output", "next: "]);
    }
    // A disk with room for half a kilobyte: the kernel refuses every byte that would make a file longer.
    #[cfg(unix)]
    {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" reconcile", env!("CARGO_BIN_EXE_tieout")])
            .current_dir(setup.folder());
        assert_refused(&shell.output().unwrap().into(), &["reports/", "File too large", "make room"]);
    }
    // A report's place is taken by a folder.
    setup.write("taken/discrepancies.csv/file", "");
    let outcome = setup.reconcile(&["--output", "taken"]);
    assert_refused(&outcome, &["taken/discrepancies.csv", "next: "]);
    assert_eq!(setup.files("taken").len(), 1, "nothing is left half done");
    // And with room again the run is what it would have been.
    assert_eq!(setup.reconcile(&[]).code, Some(1));
    assert_ne!(setup.files("reports"), earlier);
}

#[cfg(feature = "simulator")]
mod platform {
    use std::net::TcpListener;

    use tieout::simulator::{Faults, Simulator, Trouble};

    use super::super::support::platform::{PASSWORD, USER, VARIABLE, ask, start};
    use super::super::support::{Outcome, Setup};
    use super::{ALFA, CONFIGURATION, RECORDS, TOML, assert_fails};

    /// An exit code for "platform or sign-in failed".
    const PLATFORM: i32 = 4;
    const FILES: &str = "files = [\"records.csv\"]\n";

    /// The small set-up against a platform with trouble, which it asks page by page.
    fn troubled(trouble: Option<(u64, Trouble)>) -> (Setup, Simulator) {
        let setup = Setup::small();
        let troubles = trouble.into_iter().map(|(call, trouble)| (call..=call, trouble)).collect();
        let simulator =
            start(&setup, RECORDS, |settings| settings.faults = Faults { troubles, ..Faults::default() });
        ask(&setup, FILES, simulator.endpoint());
        (setup, simulator)
    }

    fn reconcile(setup: &Setup, password: &str, arguments: &[&str]) -> Outcome {
        setup.command(arguments).env(VARIABLE, password).output().unwrap().into()
    }

    #[test]
    fn half_an_answer_is_no_answer() {
        for (trouble, says) in [
            (
                Trouble::HtmlPage,
                ["an HTML page \"Sign in\" came instead of SOAP", "check [platform] endpoint"],
            ),
            (Trouble::Unavailable, ["the platform is not available", "run again later"]),
            (Trouble::CutBody, ["cut off in the middle", "next: "]),
            (Trouble::WrongTotal, ["announced", "next: "]),
        ] {
            // At the first page, and at the second when half of the records are there already.
            for call in [1, 2] {
                let (setup, simulator) = troubled(Some((call, trouble)));
                setup.edit(TOML, "[platform.request]", "retries = 0\n\n[platform.request]");
                let outcome = reconcile(&setup, PASSWORD, &[]);
                let says = [&says[..], &[simulator.endpoint()]].concat();
                assert_fails(&format!("{trouble:?} at call {call}"), &setup, &outcome, PLATFORM, &says);
            }
        }
        let (setup, simulator) = troubled(None);
        assert_eq!(reconcile(&setup, PASSWORD, &[]).code, Some(0), "and without trouble it ties out");
        assert_eq!(simulator.log().entries().unwrap().len(), 2);
    }

    #[test]
    fn a_refusal_is_put_into_words() {
        let (setup, simulator) = troubled(None);
        setup.edit(ALFA, "ALFA GAS", "BETA GAS");
        let says =
            [simulator.endpoint(), "refused GetSettlements", "Unknown counterparty: BETA GAS", "next: "];
        let outcome = reconcile(&setup, PASSWORD, &[]);
        assert_fails("a SOAP fault", &setup, &outcome, PLATFORM, &says);
        let trace = "   at Simulator.Settlement.Store.Select(String counterparty";
        assert!(outcome.stderr.contains("--verbose shows all") && !outcome.stderr.contains(trace.trim()));
        let (setup, simulator) = troubled(None);
        setup.edit(ALFA, "ALFA GAS", "BETA GAS");
        let says = [simulator.endpoint(), "refused GetSettlements", "next: "];
        let outcome = reconcile(&setup, PASSWORD, &["--verbose"]);
        let says = [&says[..], &["detail:\n", "faultcode: soap:Server\n", trace]].concat();
        assert_fails("a SOAP fault in full", &setup, &outcome, PLATFORM, &says);
        assert!(!outcome.stderr.contains("--verbose"));

        let (setup, simulator) = troubled(None);
        setup.edit(TOML, "amount = \"Amount\"", "amount = \"Amuont\"");
        let says = [
            "GetSettlements:",
            "there is no column \"Amuont\" for amount",
            "one of: TradeId",
            "did you mean \"Amount\"?",
            "[settlements.columns] amount",
        ];
        assert_fails("a field that no record has", &setup, &reconcile(&setup, PASSWORD, &[]), 3, &says);
        drop(simulator);

        let (setup, simulator) = troubled(None);
        setup.edit(TOML, "operation = \"GetSettlements\"", "operation = \"GetSettlement\"");
        let says = [simulator.endpoint(), "refused GetSettlement:", "WSDL"];
        assert_fails("no such operation", &setup, &reconcile(&setup, PASSWORD, &[]), PLATFORM, &says);
        drop(simulator);

        // Nothing listens at an address that was just given back.
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let setup = Setup::small();
        ask(&setup, FILES, &format!("http://{address}/Settlement.asmx"));
        let says = [address.as_str(), "refuses connections", "whether the platform is running"];
        assert_fails("nobody there", &setup, &reconcile(&setup, PASSWORD, &[]), PLATFORM, &says);
    }

    #[test]
    fn a_wrong_password_is_tried_once() {
        let (setup, simulator) = troubled(None);
        // Many vendors over several connections, each of which would have to sign in.
        let vendors =
            |template: &str| (0..8).map(|n| template.replace('#', &n.to_string())).collect::<String>();
        setup.write(
            ALFA,
            format!(
                "Invoice,Seller,Contract,From,Volume,Rate,Total,Ccy\n{}",
                vendors("I-#,V#,G-#,2026-10-01,1,1,1,USD\n")
            ),
        );
        setup.edit(TOML, "[platform.request]", "connections = 4\n\n[platform.request]");
        let wrong = "Wrong-Horse-8";
        let outcome = reconcile(&setup, wrong, &[]);
        let says = [simulator.endpoint(), "refused the user or the password", USER, "does not try again"];
        assert_fails("a wrong password", &setup, &outcome, PLATFORM, &says);
        let log = simulator.log().entries().unwrap();
        let calls: Vec<_> = log.iter().map(|call| [&*call.user, &*call.method, &*call.outcome]).collect();
        assert_eq!(calls, [[USER, "sign-in", "refused"]], "one attempt, or the account is locked");
        assert!(!outcome.stderr.contains(wrong));
    }

    #[test]
    fn failure_leaves_the_reports_of_the_night_before() {
        let (setup, simulator) = troubled(None);
        assert_eq!(reconcile(&setup, PASSWORD, &[]).code, Some(0));
        let earlier = setup.files("reports");
        assert_eq!(earlier.len(), 5);
        drop(simulator);
        assert_eq!(reconcile(&setup, PASSWORD, &[]).code, Some(PLATFORM));
        assert_eq!(setup.files("reports"), earlier);
    }

    #[test]
    fn no_secret_is_ever_seen() {
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::STANDARD;
        let references = ["env:TIEOUT_TEST_PASSWORD", "file:../FOLDER/pw", "command:cat ../FOLDER/pw"];
        let runs = [&[][..], &["--quiet"], &["--log", "json"], &["--log", "text"]];
        let secrets = [PASSWORD, "Wrong-Horse-8", "P\u{e4}ss \"quoted\" \\ & <x>"];
        for (turn, (secret, arguments)) in
            secrets.iter().flat_map(|secret| runs.iter().map(move |run| (*secret, *run))).enumerate()
        {
            let (setup, _simulator) = troubled(None);
            // Where the secret is, nobody looks for it.
            let folder = tempfile::tempdir_in(setup.folder().parent().unwrap()).unwrap();
            std::fs::write(folder.path().join("pw"), secret).unwrap();
            let name = folder.path().file_name().unwrap().to_string_lossy();
            let reference = references[turn % references.len()].replace("FOLDER", &name);
            setup.edit(TOML, "env:TIEOUT_TEST_PASSWORD", &reference);
            let outcome: Outcome = setup
                .command(arguments)
                .envs([(VARIABLE, secret), ("RUST_LOG", "trace"), ("RUST_BACKTRACE", "1")])
                .output()
                .unwrap()
                .into();
            let expected = if secret == PASSWORD { 0 } else { PLATFORM };
            assert_eq!(outcome.code, Some(expected), "{reference}: {}", outcome.stderr);
            let mut written = setup.files("");
            assert_eq!(written.len(), if expected == 0 { 8 } else { 3 });
            written.push(("stdout".into(), outcome.stdout.into_bytes()));
            written.push(("stderr".into(), outcome.stderr.into_bytes()));
            let wide: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let basic = engine.encode(format!("{USER}:{secret}"));
            let json = serde_json::to_string(secret).unwrap();
            let forms = [secret.as_bytes(), &wide, basic.as_bytes(), json.trim_matches('"').as_bytes()];
            for (file, bytes) in written {
                for form in forms {
                    let is_there = bytes.windows(form.len()).any(|window| window == form);
                    assert!(!is_there, "{} holds the secret", file.display());
                }
            }
        }
    }

    #[test]
    fn a_key_in_the_endpoint_stays_there() {
        let (setup, simulator) = troubled(None);
        setup.edit(TOML, "/Settlement.asmx", "/Settlement.asmx?key=hunter2");
        let outcome = reconcile(&setup, PASSWORD, &["--log", "json"]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let summary = setup.read("reports/summary.json");
        assert!(summary.contains(simulator.endpoint()), "{summary}");
        for text in [outcome.stdout, outcome.stderr, summary] {
            assert!(!text.contains("hunter2"), "{text}");
        }
        drop(simulator);
        let outcome = reconcile(&setup, PASSWORD, &[]);
        assert_eq!(outcome.code, Some(PLATFORM));
        assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    }

    #[test]
    fn a_window_is_written_as_the_request_says() {
        let (setup, simulator) = troubled(None);
        setup.edit(TOML, "{window.end}", "{window.end:%Y-%m-%d}");
        setup.edit(TOML, "{window.start}", "{window.start:%Y-%m-%dT%H:%M}");
        assert_eq!(reconcile(&setup, PASSWORD, &[]).code, Some(0));
        for call in simulator.log().entries().unwrap() {
            assert!(call.arguments.contains(r#""from":"2026-10-01T00:00""#), "{}", call.arguments);
            assert!(call.arguments.contains(r#""to":"2026-11-01""#), "{}", call.arguments);
        }
        setup.edit(TOML, "{window.end:%Y-%m-%d}", "{vendor:%Y}");
        let outcome = reconcile(&setup, PASSWORD, &["--output", "again"]);
        assert_eq!(outcome.code, Some(CONFIGURATION));
        assert!(outcome.stderr.contains("{vendor:%Y}"), "{}", outcome.stderr);
    }
}

#[test]
fn a_key_that_is_neither_a_role_nor_a_header_names_the_nearest_one() {
    let setup = Setup::small();
    setup.edit(
        "tieout.toml",
        "[[tolerance]]",
        "[[pass]]\nname = \"typo\"\nkey = [\"locaton\"]\n\n[[tolerance]]",
    );
    let outcome = setup.reconcile(&[]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("did you mean \"location\"? correct it where"), "{}", outcome.stderr);
}
