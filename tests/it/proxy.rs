//! A proxy that stands in front of a platform and harms what passes, as a script says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpSocket;

/// What becomes of one exchange.
#[derive(Clone)]
pub(super) enum Harm {
    /// It passes as it is.
    None,
    /// The connection is reset before the platform sees the request.
    ResetBefore,
    /// The platform answers, but the connection is reset before a byte of that arrives.
    ResetAfter,
    /// Half of the answer's head arrives, then a reset.
    ResetInHead,
    /// Half of the answer's body arrives, then a reset.
    ResetInBody,
    /// Half of the answer's body arrives, then the connection ends in peace.
    CutBody,
    /// The body comes in small pieces, with a pause in front of each.
    Trickle(Duration),
    /// The platform is not asked; this comes instead: status line, headers, body.
    Instead(&'static str, &'static str, String),
    /// The platform is not asked; an envelope begins and never ends.
    Endless,
    /// The answer's body is made another.
    Rewrite(fn(&str) -> String),
    /// The answer's body is made another, which need not be text.
    Bytes(fn(Vec<u8>) -> Vec<u8>),
    /// The answer says that it is of another type.
    Type(&'static str),
}

/// A request as it passed.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The NTLM message that it carried: 1, 3, or 0 for none.
    pub(super) message: u8,
    /// How many requests with the same kind of message came before, over all connections.
    pub(super) before: usize,
    /// How many calls came before, in whatever message.
    pub(super) calls_before: usize,
    pub(super) body: String,
}

impl Seen {
    /// Whether it is a call: the first message of a handshake has no body.
    pub(super) fn is_call(&self) -> bool {
        !self.body.is_empty()
    }

    /// The text of a parameter.
    pub(super) fn parameter(&self, name: &str) -> &str {
        let after = self.body.split(&format!("<{name}>")).nth(1).unwrap_or_default();
        after.split('<').next().unwrap_or_default()
    }
}

pub(super) struct Proxy {
    /// Where the platform seems to be.
    pub(super) endpoint: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

type Script = dyn Fn(&Seen) -> Harm + Send + Sync;

impl Proxy {
    /// Stands in front of `endpoint`. It ends with the process; its connections end with their callers.
    pub(super) fn start(endpoint: &str, script: impl Fn(&Seen) -> Harm + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = endpoint.split('/').nth(2).unwrap();
        let shown = endpoint.replace(address, &listener.local_addr().unwrap().to_string());
        let upstream: SocketAddr = address.parse().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, script): (_, Arc<Script>) = (Arc::clone(&seen), Arc::new(script));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                // Whatever ends a connection ends it for both sides.
                std::thread::spawn(move || converse(client?, upstream, &log, &*script));
            }
        });
        Self { endpoint: shown, seen }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many calls there were, whatever became of them.
    pub(super) fn calls(&self) -> usize {
        self.seen().iter().filter(|seen| seen.is_call()).count()
    }

    /// How often the password was sent.
    pub(super) fn passwords(&self) -> usize {
        self.seen().iter().filter(|seen| seen.message == 3).count()
    }
}

/// Stands in front of `endpoint` and passes bytes on, whatever they are; the connections (counted from 0) for
/// which `script` gives a number are reset when so many bytes of the platform's have passed. Gives the endpoint.
pub(super) fn cut_connections(
    endpoint: &str,
    script: impl Fn(usize) -> Option<usize> + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = endpoint.split('/').nth(2).unwrap();
    let shown = endpoint.replace(address, &listener.local_addr().unwrap().to_string());
    let upstream: SocketAddr = address.parse().unwrap();
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let left = script(number);
            std::thread::spawn(move || pass(client?, upstream, left));
        }
    });
    shown
}

fn pass(mut client: TcpStream, upstream: SocketAddr, left: Option<usize>) -> std::io::Result<()> {
    let mut upstream = TcpStream::connect(upstream)?;
    if let Some(left) = left {
        let mut greeting = vec![0; 16 << 10];
        let count = client.read(&mut greeting)?;
        upstream.write_all(&greeting[..count])?;
        let mut answer = vec![0; left];
        upstream.read_exact(&mut answer)?;
        client.write_all(&answer)?;
        reset(client);
        return Ok(());
    }
    let (mut from_client, mut to_upstream) = (client.try_clone()?, upstream.try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_upstream);
        let _ = to_upstream.shutdown(std::net::Shutdown::Both);
    });
    let _ = std::io::copy(&mut upstream, &mut client);
    client.shutdown(std::net::Shutdown::Both)
}

/// A request or a response.
struct Message {
    head: String,
    body: Vec<u8>,
}

impl Message {
    /// The next one; `None` where the connection ended.
    fn read(from: &mut BufReader<TcpStream>) -> std::io::Result<Option<Self>> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if from.read_line(&mut head)? == 0 {
                return Ok(None);
            }
        }
        let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        Ok(Some(Self { head, body }))
    }

    fn with(status: &str, headers: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let line = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
        Self { head: format!("HTTP/1.1 {status}\r\n{line}Content-Length: {}\r\n\r\n", body.len()), body }
    }

    /// The same answer with another body.
    fn holding(&self, body: Vec<u8>) -> Self {
        let lines = self
            .head
            .lines()
            .filter(|line| !line.is_empty() && !line.to_ascii_lowercase().starts_with("content-length"));
        let head = lines.map(|line| format!("{line}\r\n")).collect::<String>();
        Self { head: format!("{head}Content-Length: {}\r\n\r\n", body.len()), body }
    }

    fn write(&self, to: &mut TcpStream) -> std::io::Result<()> {
        to.write_all(&[self.head.as_bytes(), &self.body].concat())
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Ends a connection so that the other side gets a reset.
fn reset(stream: TcpStream) {
    // Give what was written a chance to arrive.
    std::thread::sleep(Duration::from_millis(10));
    TcpSocket::from_std_stream(stream).set_zero_linger().unwrap();
}

fn converse(
    client: TcpStream,
    upstream: SocketAddr,
    log: &Mutex<Vec<Seen>>,
    script: &Script,
) -> std::io::Result<()> {
    let upstream = TcpStream::connect(upstream)?;
    for stream in [&client, &upstream] {
        stream.set_nodelay(true)?;
    }
    let (mut to_client, mut to_upstream) = (client.try_clone()?, upstream.try_clone()?);
    let (mut client, mut upstream) = (BufReader::new(client), BufReader::new(upstream));
    while let Some(request) = Message::read(&mut client)? {
        let message = match header(&request.head, "authorization") {
            Some(token) if token.contains("TlRMTVNTUAAB") => 1,
            Some(token) if token.contains("TlRMTVNTUAAD") => 3,
            _ => 0,
        };
        let seen = {
            let mut log = log.lock().unwrap();
            let before = log.iter().filter(|seen| seen.message == message).count();
            let calls_before = log.iter().filter(|seen| seen.is_call()).count();
            let body = String::from_utf8(request.body.clone()).unwrap();
            log.push(Seen { message, before, calls_before, body });
            log.last().unwrap().clone()
        };
        let mut ask = || -> std::io::Result<Message> {
            request.write(&mut to_upstream)?;
            Message::read(&mut upstream)?.ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
        };
        let half = |message: &Message| message.head.len() + message.body.len() / 2;
        match script(&seen) {
            Harm::None => ask()?.write(&mut to_client)?,
            Harm::ResetBefore => {
                drop(client);
                reset(to_client);
                return Ok(());
            }
            Harm::ResetAfter => {
                ask()?;
                drop(client);
                reset(to_client);
                return Ok(());
            }
            Harm::ResetInHead => {
                let answer = ask()?;
                to_client.write_all(&answer.head.as_bytes()[..answer.head.len() / 2])?;
                drop(client);
                reset(to_client);
                return Ok(());
            }
            harm @ (Harm::ResetInBody | Harm::CutBody) => {
                let answer = ask()?;
                let bytes = [answer.head.as_bytes(), &answer.body].concat();
                to_client.write_all(&bytes[..half(&answer)])?;
                if matches!(harm, Harm::ResetInBody) {
                    drop(client);
                    reset(to_client);
                }
                return Ok(());
            }
            Harm::Trickle(pause) => {
                let answer = ask()?;
                to_client.write_all(answer.head.as_bytes())?;
                for piece in answer.body.chunks(16) {
                    std::thread::sleep(pause);
                    to_client.write_all(piece)?;
                }
            }
            Harm::Instead(status, headers, body) => {
                Message::with(status, headers, body).write(&mut to_client)?;
            }
            Harm::Endless => {
                to_client.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 1073741824\r\n\r\n",
                )?;
                let open = "<s:Envelope><s:Body><GetSettlementsResponse><GetSettlementsResult><Items>";
                to_client.write_all(open.as_bytes())?;
                let record = "<SettlementRecord><Id>1</Id></SettlementRecord>".repeat(1000);
                // Until the caller has had enough.
                while to_client.write_all(record.as_bytes()).is_ok() {}
                return Ok(());
            }
            Harm::Rewrite(change) => {
                let answer = ask()?;
                let body = change(std::str::from_utf8(&answer.body).unwrap()).into_bytes();
                answer.holding(body).write(&mut to_client)?;
            }
            Harm::Bytes(change) => {
                let answer = ask()?;
                answer.holding(change(answer.body.clone())).write(&mut to_client)?;
            }
            Harm::Type(content_type) => {
                let answer = ask()?;
                let head = answer.head.replace("text/xml; charset=utf-8", content_type);
                Message { head, body: answer.body }.write(&mut to_client)?;
            }
        }
    }
    Ok(())
}
