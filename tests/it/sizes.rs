//! Fetches and answers of any size: memory stays small, and what is too large is told.

use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

use super::support::Outcome;
use super::survive::{Killed, Night};

/// What a fetch may take beside the records that it keeps on disk.
const MOST_KIB: u64 = 64 << 10;
const MIB: usize = 1 << 20;

/// A platform without any sign-in, which answers every envelope by `answer`; gives its endpoint.
fn serve(answer: impl Fn(&str, &mut TcpStream) -> std::io::Result<()> + Copy + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/Settlement.asmx", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.unwrap());
                loop {
                    let mut head = String::new();
                    while !head.ends_with("\r\n\r\n") {
                        if reader.read_line(&mut head).unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let head = head.to_ascii_lowercase();
                    let length = head.split("content-length: ").nth(1).unwrap().split('\r').next().unwrap();
                    let mut body = vec![0; length.parse().unwrap()];
                    reader.read_exact(&mut body).unwrap();
                    // Who has seen enough hangs up.
                    if answer(&String::from_utf8(body).unwrap(), reader.get_mut()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    endpoint
}

/// What stands before the records, and behind them.
fn around(records: usize) -> [String; 2] {
    [
        format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
             <s:Body><R><GetSettlementsResult><TotalCount>{records}</TotalCount><Items>"
        ),
        "</Items></GetSettlementsResult></R></s:Body></s:Envelope>".to_owned(),
    ]
}

/// A record; all are as long as this.
fn record(number: usize) -> String {
    format!(
        "<SettlementRecord><Id>{number:08}</Id><Counterparty>ALFA GAS</Counterparty><Meter>033400</Meter>\
         <FlowStart>2026-10-01T00:00:00-05:00</FlowStart><Volume>{number:08}.250</Volume><Price>3.1250</Price>\
         <Amount>{number:08}.78</Amount><Remark xsi:nil=\"true\" /></SettlementRecord>"
    )
}

/// A platform that has `records` records, on pages of 1,000.
fn many(records: usize) -> String {
    serve(move |request, stream| {
        let page: usize = request.split("<page>").nth(1).unwrap().split('<').next().unwrap().parse().unwrap();
        let [head, tail] = around(records);
        let items: String = (page * 1000 - 1000..(page * 1000).min(records)).map(record).collect();
        let body = [head, items, tail].concat();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )?;
        stream.write_all(body.as_bytes())
    })
}

/// A platform that answers with `records` records at once, as long as the answer is read.
fn huge(records: usize, tells_length: bool) -> String {
    serve(move |_, stream| {
        let [head, tail] = around(records);
        let length = head.len() + records * record(0).len() + tail.len();
        let framing =
            if tells_length { format!("Content-Length: {length}") } else { "Connection: close".to_owned() };
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n{framing}\r\n\r\n{head}")?;
        for first in (0..records).step_by(1000) {
            let items: String = (first..(first + 1000).min(records)).map(record).collect();
            stream.write_all(items.as_bytes())?;
        }
        stream.write_all(tail.as_bytes())?;
        if tells_length { Ok(()) } else { Err(std::io::ErrorKind::ConnectionAborted.into()) }
    })
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    use std::io::Read as _;
    let night = Night::new();
    night.configure(&many(5_000), "auth = \"none\"");
    night.edit("page_size = 5", "page_size = 1000");
    let mut child = Killed(
        night
            .command(&["fetch", "--vendor", "ALFA", "--period", "2026-10-01"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    child.0.stdout.take().unwrap().read_exact(&mut [0; 10]).unwrap();
    assert!(child.0.wait().unwrap().success());
    let mut stderr = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr, "");
}

/// The most memory that a process had, in KiB, as often as one looks while it runs.
fn peak_kib(child: &mut Child) -> u64 {
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
        peak = peak.max(line.trim().trim_end_matches(" kB").parse().unwrap());
        std::thread::sleep(Duration::from_millis(5));
    }
    peak
}

#[test]
fn memory_does_not_grow_with_the_records() {
    // A million by TIEOUT_TEST_RECORDS=1000000.
    let records = std::env::var("TIEOUT_TEST_RECORDS").map_or(60_000, |number| number.parse().unwrap());
    let night = Night::new();
    night.configure(&many(records), "connections = 2\nauth = \"none\"");
    night.edit("page_size = 5", "page_size = 1000");
    night.edit("window = \"day\"", "identity = \"Id\"");
    let mut child = Killed(
        night
            .command(&["fetch", "--vendor", "ALFA", "--output", "out.csv"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let peak = peak_kib(&mut child.0);
    assert!(child.0.wait().unwrap().success());
    let lines = std::fs::read(night.folder.path().join("out.csv"))
        .unwrap()
        .iter()
        .filter(|byte| **byte == b'\n')
        .count();
    assert_eq!(lines, records + 1);
    assert!(peak < 64 << 10, "{peak} KiB");
}

/// Fetches all records of `endpoint` into `out.csv`; gives what the process said, and the most memory that it had, in KiB.
fn fetched(night: &Night) -> (Outcome, u64) {
    let mut child = Killed(
        night
            .command(&["fetch", "--vendor", "ALFA", "--period", "2026-10-01", "--output", "out.csv"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let peak = peak_kib(&mut child.0);
    let code = child.0.wait().unwrap().code();
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.0.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    child.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    (Outcome { code, stdout, stderr }, peak)
}

/// A gigabyte, which is more than the limit by default, by `TIEOUT_TEST_ANSWER_MIB=1024`; with `--nocapture` for the figures.
#[test]
#[expect(clippy::print_stdout, reason = "whoever runs it with a gigabyte wants the figures")]
fn an_answer_may_be_as_large_as_its_limit_says_and_takes_no_more_memory_for_it() {
    let mib = std::env::var("TIEOUT_TEST_ANSWER_MIB").map_or(24, |number| number.parse().unwrap());
    let records = mib * MIB / record(0).len() + 1;
    for (limit_mib, tells_length) in [(mib + 1, true), (mib + 1, false), (mib, true), (mib, false)] {
        let night = Night::new();
        night.configure(
            &huge(records, tells_length),
            &format!("connections = 1\nauth = \"none\"\nanswer_limit_mib = {limit_mib}"),
        );
        night.edit(", page = \"{page}\", pageSize = \"{page_size}\"", "");
        let started = std::time::Instant::now();
        let (outcome, peak) = fetched(&night);
        println!(
            "{mib} MiB, at most {limit_mib}: {peak} KiB, {:.1} s, {outcome:?}",
            started.elapsed().as_secs_f32()
        );
        assert!(peak < MOST_KIB, "{peak} KiB");
        let csv = night.folder.path().join("out.csv");
        if limit_mib > mib {
            assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
            let lines = BufReader::new(std::fs::File::open(&csv).unwrap()).lines();
            let last = lines.map(Result::unwrap).enumerate().last().unwrap();
            assert_eq!(last.0, records);
            assert!(last.1.starts_with(&format!("{:08},ALFA GAS", records - 1)), "{}", last.1);
        } else {
            assert_eq!(outcome.code, Some(4));
            assert!(outcome.stderr.contains("the answer is larger than allowed"), "{}", outcome.stderr);
            assert!(outcome.stderr.contains("raise [platform] answer_limit_mib"), "{}", outcome.stderr);
            assert!(!csv.exists());
        }
    }
}
