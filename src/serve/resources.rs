//! The reports of the last run as resources: `tieout://reports/NAME`, and `tieout://reports/NAME?page=N` for tables.

use std::path::Path;
use std::time::SystemTime;

use rmcp::model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate};

use crate::fault::{Fault, Kind, Result};
use crate::operations::Reports;

const ROOT: &str = "tieout://reports/";

/// Those that are there.
pub(super) fn list(config: &Path) -> Result<Vec<Resource>> {
    let reports = Reports::of(config, SystemTime::now())?.list();
    let resource = |report: crate::operations::ReportFile| {
        Resource::new(format!("{ROOT}{}", report.name), report.name)
            .with_description(report.about)
            .with_mime_type(report.media)
            .with_size(report.bytes)
    };
    Ok(reports.into_iter().map(resource).collect())
}

/// How the pages of a table are named.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new(format!("{ROOT}{{name}}{{?page}}"), "report page")
            .with_title("A page of a report")
            .with_description("A table of the last run's reports, at most 200 rows and 128 KiB to a page, from page 1; the answer names the next page")
            .with_mime_type("text/csv"),
    ]
}

/// One of them, or a page of it, of at most `most` bytes.
///
/// # Errors
/// [`Kind::Usage`] where there is none at this address.
pub(super) fn read(config: &Path, uri: &str, most: usize) -> Result<ReadResourceResult> {
    let unknown = || {
        Fault::new(Kind::Usage, "there is no resource at this address")
            .value(uri)
            .expected(format!("{ROOT}NAME or {ROOT}NAME?page=N; resources/list has the names"))
    };
    let rest = uri.strip_prefix(ROOT).ok_or_else(unknown)?;
    let (name, page) = match rest.split_once("?page=") {
        Some((name, page)) => (name, page.parse().map_err(|_| unknown())?),
        None => (rest, 1),
    };
    let page = Reports::of(config, SystemTime::now())?.read(name, page, most)?;
    let mut contents = vec![ResourceContents::text(page.text, uri).with_mime_type(page.media)];
    if let Some(next) = page.next {
        let next = format!("{ROOT}{name}?page={next}");
        contents.push(
            ResourceContents::text(format!("the table goes on at {next}"), &next)
                .with_mime_type("text/plain"),
        );
    }
    Ok(ReadResourceResult::new(contents))
}
