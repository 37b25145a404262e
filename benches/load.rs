//! Load for a server of agents: so many connections, each sending the same call again as soon as it is answered. Prints one line
//! of JSON: calls, seconds, calls per second, the median, the 99th percentile, and what was not as it should be.
//!
//!     cargo bench --bench load -- URL --token FILE --tool NAME [--arguments JSON] [--ca FILE] --connections N --calls N
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

struct Wanted {
    host: String,
    authority: String,
    tls: Option<Arc<ClientConfig>>,
    request: Vec<u8>,
    /// What an answer must hold.
    expected: String,
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Wanted {
    fn connect(&self) -> BufReader<Box<dyn Stream>> {
        let tcp = TcpStream::connect(&self.authority).expect("the server listens");
        tcp.set_nodelay(true).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some(config) => {
                let name = ServerName::try_from(self.host.clone()).unwrap();
                Box::new(StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), tcp))
            }
        };
        BufReader::new(stream)
    }

    /// One call; whether the answer is as it should be, and whether the connection can be used again.
    fn call(&self, stream: &mut BufReader<Box<dyn Stream>>) -> (bool, bool) {
        if stream.get_mut().write_all(&self.request).and_then(|()| stream.get_mut().flush()).is_err() {
            return (false, false);
        }
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap_or(0) == 0 {
            return (false, false);
        }
        let is_ok = line.starts_with("HTTP/1.1 200");
        let (mut length, mut is_chunked, mut closes) = (0_usize, false, false);
        loop {
            line.clear();
            if stream.read_line(&mut line).unwrap_or(0) <= 2 {
                break;
            }
            let (name, value) = line.trim_end().split_once(':').unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                "transfer-encoding" => is_chunked = value.contains("chunked"),
                "connection" => closes = value.contains("close"),
                _ => {}
            }
        }
        let mut body = Vec::new();
        if is_chunked {
            loop {
                line.clear();
                if stream.read_line(&mut line).unwrap_or(0) == 0 {
                    return (false, false);
                }
                let size = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
                let mut chunk = vec![0; size + 2];
                if stream.read_exact(&mut chunk).is_err() {
                    return (false, false);
                }
                if size == 0 {
                    break;
                }
                body.extend_from_slice(&chunk[..size]);
            }
        } else {
            body.resize(length, 0);
            if stream.read_exact(&mut body).is_err() {
                return (false, false);
            }
        }
        let text = String::from_utf8_lossy(&body);
        (is_ok && text.contains(&self.expected) && !text.contains("\"isError\":true"), !closes)
    }
}

fn main() {
    let mut arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.is_empty() {
        // `cargo test` and `cargo bench` run every benchmark; this one has a server to be named.
        return;
    }
    let url = arguments.remove(0);
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let needed = |name: &str| option(name).unwrap_or_else(|| panic!("{name} is needed"));
    let token = std::fs::read_to_string(needed("--token")).unwrap();
    let connections: usize = needed("--connections").parse().unwrap();
    let calls: u64 = needed("--calls").parse().unwrap();
    let (scheme, rest) = url.split_once("://").expect("an address");
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_owned();
    let tls = (scheme == "https").then(|| {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(needed("--ca")).unwrap() {
            roots.add(root.unwrap()).unwrap();
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        Arc::new(
            builder
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth(),
        )
    });
    let body = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": needed("--tool"),
        "arguments": serde_json::from_str::<serde_json::Value>(&option("--arguments").unwrap_or_else(|| "{}".to_owned())).unwrap(),
    }})
    .to_string();
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\nContent-Length: {}\r\n\r\n{body}",
        token.trim(),
        body.len()
    );
    let wanted = Wanted {
        host,
        authority: authority.to_owned(),
        tls,
        request: request.into_bytes(),
        expected: option("--expect").unwrap_or_else(|| "structuredContent".to_owned()),
    };
    let (left, wrong) = (AtomicU64::new(calls), AtomicU64::new(0));
    let started = Instant::now();
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let work = || {
            let mut times = Vec::new();
            let mut stream = wanted.connect();
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            {
                let begun = Instant::now();
                let (is_right, is_open) = wanted.call(&mut stream);
                times.push(begun.elapsed());
                wrong.fetch_add(u64::from(!is_right), Ordering::Relaxed);
                if !is_open {
                    stream = wanted.connect();
                }
            }
            times
        };
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let seconds = started.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: f64| {
        times[((times.len() as f64 * share) as usize).min(times.len() - 1)].as_secs_f64() * 1000.0
    };
    println!(
        "{}",
        serde_json::json!({
            "connections": connections, "calls": times.len(), "seconds": seconds,
            "calls_per_second": times.len() as f64 / seconds, "p50_ms": at(0.5), "p99_ms": at(0.99),
            "wrong": wrong.load(Ordering::Relaxed),
        })
    );
}
