//! What the status and the headers of an answer mean, before anybody reads it.

use reqwest::blocking::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION};

use super::Platform;
use super::body::{decompressed, header};
use super::media::essence;
use super::refusal::{html_title, peek};
use crate::fault::{Result, shown};

impl Platform {
    /// Tells a SOAP answer from everything else that HTTP servers say.
    pub(super) fn check(&self, response: Response) -> Result<Response> {
        let status = response.status();
        let fault = |what: String| self.fault(what).value(format!("HTTP {status}"));
        if status.is_redirection() {
            let to =
                response.headers().get(LOCATION).map(|to| shown(&String::from_utf8_lossy(to.as_bytes())));
            return Err(fault(match to {
                Some(to) => format!("the platform sends us elsewhere, to {}", to.split(['?', '#']).next().unwrap_or_default()),
                None => "the platform sends us elsewhere".to_owned(),
            })
            .next("this is probably a login page or a moved service; set [platform] endpoint to the service's own address"));
        }
        let content_type = header(&response, &CONTENT_TYPE);
        // Where no type is given, the parser finds out (RFC 9110 §8.3).
        let is_soap = matches!(
            essence(&content_type).as_str(),
            "" | "text/xml" | "application/soap+xml" | "application/xml" | "multipart/related"
        );
        // SOAP faults come with 500, by some with 400 (SOAP 1.2 Part 2 §7.5.2.2).
        let may_be_soap = status.is_success() || matches!(status.as_u16(), 400 | 500);
        if may_be_soap && is_soap && response.content_length() != Some(0) {
            return Ok(response);
        }
        let coding = header(&response, &CONTENT_ENCODING);
        let start = decompressed(response, &coding).map(peek).unwrap_or_default();
        let title = html_title(&start);
        let page = title.as_ref().map(|title| format!(" (an HTML page {title})")).unwrap_or_default();
        let next = match status.as_u16() {
            200..300 | 500 if title.is_some() => {
                "this is probably a login page, an error page or the wrong address; check [platform] endpoint"
            }
            403 => "have the user allowed to call the service",
            404 | 405 | 410 => "check [platform] endpoint: there is no such service at this address",
            415 => "the service may speak the other SOAP version; set [platform] soap",
            400 => {
                "the platform could not read the request at all; check [platform] soap and the request's parameters"
            }
            429 => "run again later, with fewer connections or with calls_per_second in [platform]",
            408 | 502..=504 => "the platform is busy or down; run again later",
            _ => "ask the platform's operators, who find the call by its correlation id",
        };
        let what = match status.as_u16() {
            200..300 | 500 if title.is_some() => {
                format!("an HTML page {} came instead of SOAP", title.unwrap_or_default())
            }
            403 => {
                return Err(self
                    .sign_in_fault(format!(
                        "the platform knows us, but does not let us call {}{page}",
                        self.operation()
                    ))
                    .value(format!("HTTP {status}"))
                    .next(next));
            }
            404 | 405 | 410 => format!("there is no service at this address{page}"),
            429 => format!("the platform is asked too often{page}"),
            503 => format!("the platform is not available{page}"),
            _ if start.trim().is_empty() => "an answer without content came instead of SOAP".to_owned(),
            _ if status.is_success() => {
                format!("something else than SOAP came, of type {}", shown(&content_type))
            }
            _ => format!("the platform answered with an error{page}"),
        };
        Err(fault(what).next(next))
    }
}
