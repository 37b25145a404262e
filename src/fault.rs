//! What went wrong, where, and what to do about it.
//!
//! Every station returns a [`Fault`]. Its [`Kind`] decides the exit code, and the word that an agent and the audit log
//! have for it, in one table. A fault names the place, the value it met, what was
//! expected there, and the next step; [`std::fmt::Display`] puts these in that
//! order, one to a line. The alternate form (`{:#}`) goes on with the detail, which may be long.

use std::fmt;
use std::time::Duration;

/// The answer to "whose turn is it": what a caller may branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The command line makes no sense.
    Usage,
    /// `tieout.toml`, or a file that it names, makes no sense or cannot be read.
    Configuration,
    /// An input could not be read, or too much of it was rejected.
    Input,
    /// The platform could not be reached or did not answer as it should.
    Platform,
    /// The platform refused who we are.
    SignIn,
    /// More was asked for than may be asked for in a while; later it can be had.
    Busy,
    /// A report could not be written.
    Output,
    /// Whoever asked may not see that.
    Denied,
    /// Whoever asked wants no answer any more.
    Cancelled,
    /// tieout contradicts itself: our bug, never the user's.
    Bug,
}

impl Kind {
    /// The one table of what becomes of faults: the process exit code, and a word that stays the same.
    const fn terms(self) -> (u8, &'static str) {
        match self {
            Self::Usage => (2, "usage"),
            Self::Configuration => (2, "configuration"),
            Self::Output => (2, "output"),
            Self::Denied => (2, "denied"),
            Self::Input => (3, "input"),
            Self::Platform => (4, "platform"),
            Self::SignIn => (4, "sign-in"),
            Self::Busy => (4, "busy"),
            Self::Bug => (70, "bug"),
            // 128 + SIGINT, as a shell has it.
            Self::Cancelled => (130, "cancelled"),
        }
    }

    /// The process exit code (`0` and `1` are verdicts, not faults).
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        self.terms().0
    }

    /// The word for it in the audit log, in the metrics and for agents.
    #[must_use]
    pub const fn word(self) -> &'static str {
        self.terms().1
    }
}

/// Something that ends an operation.
#[derive(Debug)]
pub struct Fault(Box<Parts>);

#[derive(Debug)]
struct Parts {
    kind: Kind,
    what: String,
    place: Option<String>,
    value: Option<String>,
    expected: Option<String>,
    correlation: Option<String>,
    next: Option<String>,
    detail: Option<String>,
    cause: Option<anyhow::Error>,
    may_pass: bool,
    retry_after: Option<Duration>,
}

/// What every station returns.
pub type Result<T, E = Fault> = std::result::Result<T, E>;

impl Fault {
    /// A fault of `kind`; `what` is one sentence without a full stop.
    #[must_use]
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            kind,
            what: what.into(),
            place: None,
            value: None,
            expected: None,
            correlation: None,
            next: None,
            detail: None,
            cause: None,
            may_pass: false,
            retry_after: None,
        }))
    }

    /// Where: `file:sheet:row`, a key of `tieout.toml`, an endpoint.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.0.place = Some(place.to_string());
        self
    }

    /// The value that was met, shown shortened and with control characters escaped. Never a secret.
    #[must_use]
    pub fn value(mut self, value: impl fmt::Display) -> Self {
        self.0.value = Some(shown(&value.to_string()));
        self
    }

    /// What should have stood there.
    #[must_use]
    pub fn expected(mut self, expected: impl fmt::Display) -> Self {
        self.0.expected = Some(expected.to_string());
        self
    }

    /// What the reader should do now.
    #[must_use]
    pub fn next(mut self, next: impl fmt::Display) -> Self {
        self.0.next = Some(next.to_string());
        self
    }

    /// Adds to what the reader should do.
    #[must_use]
    pub fn and_next(self, more: impl fmt::Display) -> Self {
        let next = self.0.next.as_ref().map_or_else(|| more.to_string(), |next| format!("{next}; {more}"));
        self.next(next)
    }

    /// The id by which another program's log knows the call that failed.
    #[must_use]
    pub fn called(mut self, correlation: impl Into<String>) -> Self {
        self.0.correlation = Some(correlation.into());
        self
    }

    /// All that there is to say, for whoever asks: what another program said word for word, a stack trace. Never a secret.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// The error underneath.
    #[must_use]
    pub fn because(mut self, cause: impl Into<anyhow::Error>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Marks a fault that may be gone when the same is tried again: a connection that broke, a platform that was busy.
    #[must_use]
    pub fn passing(mut self) -> Self {
        self.0.may_pass = true;
        self
    }

    /// Whether the same may succeed when it is tried again.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.0.may_pass
    }

    /// Says after how long the same may be had, and what the reader should do: wait for so many seconds.
    #[must_use]
    pub fn again_in(mut self, time: Duration) -> Self {
        let seconds = whole_seconds(time);
        self.0.retry_after = Some(Duration::from_secs(seconds));
        self.and_next(format!("try again in {seconds} second{}", if seconds == 1 { "" } else { "s" }))
    }

    /// After how long the same may be had, in whole seconds, where that is known: `Retry-After` (RFC 9110 §10.2.3).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What kind of fault this is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Whether the alternate form says more.
    #[must_use]
    pub fn has_detail(&self) -> bool {
        self.0.detail.is_some()
    }

    /// All that it says, and apart from that what it says to do.
    #[must_use]
    pub fn in_two(mut self) -> (String, Option<String>) {
        let next = self.0.next.take();
        (self.to_string(), next)
    }

    /// The sentence that says what went wrong.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.0.what
    }
}

/// Seconds that are no less than `time`, and at least one.
const fn whole_seconds(time: Duration) -> u64 {
    let begun = if time.subsec_nanos() > 0 { 1 } else { 0 };
    let seconds = time.as_secs().saturating_add(begun);
    if seconds == 0 { 1 } else { seconds }
}

/// `text` as it may stand in a message: at most 120 characters, nothing that moves a terminal's cursor.
#[must_use]
pub fn shown(text: &str) -> String {
    const MOST: usize = 120;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => escaped(text.get(..end).unwrap_or_default()) + "…",
        None => escaped(text),
    }
}

/// `text` as it may stand in a table: whole, line by line, nothing that moves a terminal's cursor.
#[must_use]
pub fn shown_lines(text: &str) -> String {
    text.split('\n').map(escaped).collect::<Vec<_>>().join("\n")
}

/// Whether a character moves a cursor, breaks a line, turns the text around, or cannot be seen: what Unicode calls
/// `Default_Ignorable_Code_Point`, in which whole sentences can be hidden (tags, variation selectors), and the like.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if is_unseen(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        out
    })
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &self.0;
        if let Some(place) = &parts.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}", parts.what)?;
        if let Some(cause) = &parts.cause {
            let mut last = String::new();
            for link in cause.chain() {
                let text = link.to_string();
                // Libraries like to repeat the inner message in the outer one.
                if !last.contains(&text) {
                    write!(f, ": {}", shown(&text))?;
                }
                last = text;
            }
        }
        for (label, part) in [
            ("found", &parts.value),
            ("expected", &parts.expected),
            ("correlation id", &parts.correlation),
            ("next", &parts.next),
        ] {
            if let Some(part) = part {
                write!(f, "\n  {label}: {}", part.replace('\n', "\n    "))?;
            }
        }
        if let Some(detail) = parts.detail.as_ref().filter(|_| f.alternate()) {
            write!(f, "\n  detail:\n    {}", shown_lines(detail.trim_end()).replace('\n', "\n    "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

/// What serde may have been meant by a word that it does not know. It says: unknown field `x`, expected one of `a`, `b`.
#[must_use]
pub fn did_you_mean(message: &str) -> Option<&str> {
    let rest =
        message.strip_prefix("unknown field `").or_else(|| message.strip_prefix("unknown variant `"))?;
    // What was written, then what was expected, with commas in between.
    let mut parts = rest.split('`').step_by(2);
    nearest(parts.next()?, parts)
}

/// The candidate nearest to `word`, if any is near enough to be meant: for "did you mean".
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let wanted = fold(word);
    candidates
        .into_iter()
        .map(|candidate| {
            let folded = fold(candidate);
            let contained = !wanted.is_empty()
                && !folded.is_empty()
                && (folded.contains(&wanted) || wanted.contains(&folded));
            let score = strsim::jaro_winkler(&wanted, &folded);
            (candidate, if contained { score.max(0.8) } else { score })
        })
        .filter(|(_, score)| *score >= 0.75)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(candidate, _)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reads_place_sentence_value_expectation_and_next_step() {
        let fault = Fault::new(Kind::Input, "this is not an amount")
            .at("a.csv:3")
            .value("12,x\u{1b}[2J")
            .expected("a number such as 1,234.50")
            .next("correct the cell");
        assert_eq!(
            fault.to_string(),
            "a.csv:3: this is not an amount\n  found: 12,x\\u{1b}[2J\n  expected: a number such as 1,234.50\n  next: correct the cell"
        );
        assert_eq!(fault.kind().exit_code(), 3);
    }

    #[test]
    fn the_detail_is_for_whoever_asks() {
        let fault = Fault::new(Kind::Platform, "no").detail("all of it\n  at X\u{1b}[2J\n");
        assert!(fault.has_detail());
        assert_eq!(fault.to_string(), "no");
        assert_eq!(format!("{fault:#}"), "no\n  detail:\n    all of it\n      at X\\u{1b}[2J");
    }

    #[test]
    fn what_nobody_sees_is_escaped() {
        // A sentence in tag characters, a selector, a filler, a separator of lines, a soft hyphen.
        for hidden in [
            '\u{e0041}',
            '\u{fe01}',
            '\u{e01ef}',
            '\u{3164}',
            '\u{2028}',
            '\u{ad}',
            '\u{2060}',
            '\u{61c}',
            '\u{7f}',
        ] {
            let text = format!("ALFA{hidden} GAS");
            assert_eq!(shown_lines(&text), format!("ALFA{} GAS", hidden.escape_default()));
        }
        assert_eq!(shown("Møller & Søn – 東京 👍"), "Møller & Søn – 東京 👍");
    }

    #[test]
    fn the_nearest_name_ignores_case_and_punctuation() {
        let headers = ["Statement_Number", "Extended_Amount", "Quantity"];
        assert_eq!(nearest("extended amount", headers), Some("Extended_Amount"));
        assert_eq!(nearest("Extendd_Amount", headers), Some("Extended_Amount"));
        assert_eq!(nearest("zzz", headers), None);
    }
}
