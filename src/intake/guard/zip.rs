//! Workbooks that are zip archives: .xlsx, .xlsb, .ods.

use std::io::{BufReader, Read, Seek, sink};

use zip::ZipArchive;
use zip::read::ZipFile;

use super::{absurd, broken, ods};
use crate::fault::{Fault, Kind, Result};

/// What a zip archive turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Format {
    Xlsx,
    Xlsb,
    Ods,
}

/// Deflate makes at most this many bytes of one.
const DEFLATE_MOST: u64 = 1032;
/// Parts that cannot unfold into more bytes than this are not looked at.
const HARMLESS: u64 = 64 * 1024 * 1024;
/// Bytes of a part that is held in memory whole (shared strings, styles).
const WHOLE_MOST: u64 = 1024 * 1024 * 1024;
/// How many times its packed size a streamed part may have. Real sheets reach about 30.
const RATIO_MOST: u64 = 200;

/// Finds out what workbook the archive `file` holds, and that it is safe to read.
pub(in super::super) fn inspect(file: impl Read + Seek) -> Result<Format> {
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(broken)?;
    let has = |name: &str| archive.index_for_name(name).is_some();
    let format = if has("xl/workbook.bin") {
        Format::Xlsb
    } else if has("content.xml") && has("mimetype") {
        Format::Ods
    } else if has("[Content_Types].xml") && !has("word/document.xml") && !has("ppt/presentation.xml") {
        Format::Xlsx
    } else {
        return Err(Fault::new(Kind::Input, "the file is a zip archive that holds no workbook")
            .expected("CSV text, or a workbook (.xlsx, .xlsb, .xls, .ods)")
            .next("unpack it"));
    };
    if format == Format::Ods {
        ods::check(BufReader::new(archive.by_name("content.xml").map_err(broken)?))?;
    } else {
        for index in 0..archive.len() {
            check(archive.by_index(index).map_err(broken)?)?;
        }
    }
    Ok(format)
}

/// Checks one part of an Office Open XML package.
fn check(mut part: ZipFile<'_, impl Read>) -> Result<()> {
    let name = part.name().map_err(broken)?.to_ascii_lowercase();
    if ![".xml", ".bin", ".rels"].iter().any(|kind| name.ends_with(kind)) {
        return Ok(());
    }
    let packed = part.compressed_size();
    let strings = name.ends_with("sharedstrings.xml");
    if packed.saturating_mul(DEFLATE_MOST) <= HARMLESS && !strings {
        return Ok(());
    }
    let streamed = name.contains("worksheets/");
    let most = if streamed { packed.saturating_mul(RATIO_MOST).max(HARMLESS) } else { WHOLE_MOST };
    let mut head = Vec::new();
    // The sizes that the archive states may be lies, so the part is unfolded and counted.
    let mut unfolded = part.by_ref().take(4096).read_to_end(&mut head).map_err(broken)? as u64;
    unfolded +=
        std::io::copy(&mut part.take(most.saturating_sub(unfolded) + 1), &mut sink()).map_err(broken)?;
    if unfolded > most {
        return Err(absurd("a part of the workbook unfolds into far more than its size allows").value(name));
    }
    // Room for the stated number of strings is made at once. The shortest string is `<si/>`.
    if strings && stated_strings(&head) > unfolded / 5 {
        return Err(absurd("the workbook states more strings than it holds").value(name));
    }
    Ok(())
}

/// The attribute `uniqueCount` of the shared strings' root (ECMA-376 Part 1, 18.4.9).
fn stated_strings(head: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(head);
    match text.split_once("uniqueCount") {
        Some((_, rest)) => {
            let rest = rest.trim_start_matches(|c: char| !c.is_ascii_digit());
            let digits = rest.find(|c: char| !c.is_ascii_digit()).and_then(|end| rest.get(..end));
            digits.unwrap_or(rest).parse().unwrap_or(u64::MAX)
        }
        // A root that stands far behind its declaration hides something.
        None if !text.contains("sst") => u64::MAX,
        None => 0,
    }
}
