//! Workbooks: .xlsx and .xlsb row by row, .xls and .ods by the sheet.
//!
//! calamine's streams borrow the workbook, so each workbook lives in a thread of its own that sends
//! batches of rows; a reader that goes away stops it. A panic in there becomes a fault.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use calamine::{
    Data, DataType, Ods, OdsError, Range, Reader as _, SheetType, SheetVisible, Xls, XlsError, Xlsb, Xlsx,
};

use super::files::{FileSettings, Input, Sheet};
use super::guard::{self, Format, locked, unreadable};
use super::text::Hashed;
use super::{Digest, Form, Mark, Origin, Row, Rows, cell, columns, quiet};
use crate::fault::{Fault, Kind, Result, nearest};
use crate::progress::Task;

/// Rows that travel together.
const BATCH: usize = 256;
/// Batches under way: enough that neither side waits for the other.
const BATCHES: usize = 4;
/// The columns of a sheet, A to XFD. A cell beyond them is a lie, and padding up to it would be expensive.
const COLUMNS: u32 = 16_384;

/// Opens a workbook and reads the headers of its sheet.
pub(super) fn open(mut input: Input, settings: &FileSettings) -> Result<Box<dyn Rows + Send>> {
    let label = Arc::clone(&input.label);
    let task = Arc::clone(&input.task);
    let digest = hash(&mut input.file, &*task).map_err(|error| {
        let fault = Fault::new(Kind::Input, "the file cannot be read").at(&label).because(error);
        task.check().err().unwrap_or(fault)
    })?;
    let (send, receive) = sync_channel(BATCHES);
    let job = Job { sheet: settings.sheet.clone(), header_row: settings.header_row.map(u32::from), send };
    thread::Builder::new()
        .name("workbook".to_owned())
        .spawn(move || job.run(input))
        .map_err(|error| Fault::new(Kind::Input, "no thread can be started").at(&label).because(error))?;
    let mut workbook = Workbook {
        origin: Origin { name: label, part: None },
        columns: Vec::new(),
        form: Form::default(),
        task,
        receive,
        batch: Vec::new().into_iter(),
        digest,
        done: false,
    };
    let mut message = workbook.receive()?;
    if let Message::Form(form) = message {
        workbook.form = form;
        message = workbook.receive()?;
    }
    match message {
        Message::Opened { sheet, columns, header_row } => {
            workbook.origin.part = Some(sheet.into());
            workbook.columns = columns;
            workbook.form.header_row = header_row;
            Ok(Box::new(workbook))
        }
        Message::Rows(_) | Message::Form(_) | Message::End | Message::Fault(_) => Err(workbook.broken_off()),
    }
}

/// Hashes the file and returns to its start.
fn hash(file: &mut File, task: &dyn Task) -> std::io::Result<Digest> {
    let mut hashed = Hashed::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        task.check().map_err(std::io::Error::other)?;
        match file.read(&mut buffer)? {
            0 => break,
            count => hashed.add(buffer.get(..count).unwrap_or_default()),
        }
    }
    file.rewind()?;
    Ok(hashed.finish())
}

/// What the workbook's thread tells.
enum Message {
    /// Before all else.
    Form(Form),
    /// First after that, unless there is a fault.
    Opened {
        sheet: String,
        columns: Vec<String>,
        header_row: u64,
    },
    Rows(Vec<Row>),
    End,
    Fault(Fault),
}

/// The end of the channel where the rows come out.
struct Workbook {
    origin: Origin,
    columns: Vec<String>,
    form: Form,
    task: Arc<dyn Task>,
    receive: Receiver<Message>,
    batch: std::vec::IntoIter<Row>,
    digest: Digest,
    done: bool,
}

impl Workbook {
    fn receive(&mut self) -> Result<Message> {
        let message = self.receive.recv();
        // To the thread, a reading that is cancelled looks like a file that cannot be read.
        self.task.check()?;
        match message {
            Ok(Message::Fault(fault)) => {
                self.done = true;
                Err(fault)
            }
            Ok(message) => Ok(message),
            Err(_) => Err(self.broken_off()),
        }
    }

    fn broken_off(&self) -> Fault {
        Fault::new(Kind::Bug, "the workbook's thread broke off").at(&self.origin)
    }
}

impl Rows for Workbook {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn read(&mut self, row: &mut Row) -> Result<bool> {
        loop {
            if let Some(next) = self.batch.next() {
                *row = next;
                return Ok(true);
            }
            if self.done {
                row.clear();
                return Ok(false);
            }
            match self.receive()? {
                Message::Rows(rows) => self.batch = rows.into_iter(),
                Message::End => self.done = true,
                Message::Opened { .. } | Message::Form(_) | Message::Fault(_) => {
                    return Err(self.broken_off());
                }
            }
        }
    }

    fn form(&self) -> Form {
        self.form.clone()
    }

    fn digest(&self) -> Option<&Digest> {
        self.done.then_some(&self.digest)
    }
}

/// Why the thread stops early.
enum Halt {
    Fault(Fault),
    /// Nobody reads the rows any more.
    Unwatched,
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What the workbook's thread is to do.
struct Job {
    sheet: Option<Sheet>,
    header_row: Option<u32>,
    send: SyncSender<Message>,
}

impl Job {
    fn run(&self, input: Input) {
        let label = Arc::clone(&input.label);
        let mut place = label.to_string();
        let outcome = quiet::catch(|| self.read(input, &mut place));
        let last = match outcome {
            Ok(Ok(())) => Message::End,
            Ok(Err(Halt::Unwatched)) => return,
            Ok(Err(Halt::Fault(fault))) => Message::Fault(fault.at(place)),
            Err(message) => {
                Message::Fault(unreadable(anyhow::anyhow!("the reader gave up: {message}")).at(place))
            }
        };
        // Whoever is no longer there need not know how it ended.
        let _ = self.send.send(last);
    }

    /// Reads the sheet that is asked for, or else the first that has anything to read. `place` is where
    /// a fault lies.
    fn read(&self, input: Input, place: &mut String) -> Result<(), Halt> {
        let label = Arc::clone(&input.label);
        let mut book = Book::open(input)?;
        let sheets = book.sheets().iter().map(|sheet| sheet.name.clone()).collect();
        let form = Form { format: book.format(), sheets, ..Form::default() };
        self.send.send(Message::Form(form)).map_err(|_| Halt::Unwatched)?;
        let candidates = choose(book.sheets(), self.sheet.as_ref())?;
        for sheet in &candidates {
            *place = format!("{label}:{sheet}");
            let mut table = Table::new(sheet, self.header_row, &self.send);
            book.read(sheet, &mut table)?;
            if table.finish()? {
                return Ok(());
            }
        }
        let fault = match &*candidates {
            [_] => Fault::new(Kind::Input, "the sheet is empty"),
            _ => {
                *place = label.to_string();
                Fault::new(Kind::Input, "every visible sheet is empty")
            }
        };
        Err(fault
            .expected("a row of headers, then records")
            .next("name the right sheet with sheet = \"...\"")
            .into())
    }
}

/// The sheets to try, in order.
fn choose(sheets: &[calamine::Sheet], wanted: Option<&Sheet>) -> Result<Vec<String>> {
    let list = || {
        let names: Vec<_> = sheets
            .iter()
            .zip(1..)
            .map(|(sheet, number)| match sheet.visible {
                SheetVisible::Visible => format!("{number} {:?}", sheet.name),
                SheetVisible::Hidden | SheetVisible::VeryHidden => {
                    format!("{number} {:?} (hidden)", sheet.name)
                }
            })
            .collect();
        format!("one of the sheets {}", names.join(", "))
    };
    let found = match wanted {
        None => {
            let visible: Vec<_> = sheets
                .iter()
                .filter(|sheet| sheet.visible == SheetVisible::Visible && sheet.typ == SheetType::WorkSheet)
                .map(|sheet| sheet.name.clone())
                .collect();
            if visible.is_empty() {
                return Err(Fault::new(Kind::Input, "no sheet of the workbook is visible")
                    .expected(list())
                    .next("name the sheet with sheet = \"...\""));
            }
            return Ok(visible);
        }
        Some(Sheet::Number(number)) => {
            let index = usize::try_from(number.get()).unwrap_or(usize::MAX) - 1;
            sheets.get(index).ok_or_else(|| (format!("the workbook has no sheet number {number}"), None))
        }
        Some(Sheet::Name(name)) => sheets.iter().find(|sheet| sheet.name == *name).ok_or_else(|| {
            (
                format!("the workbook has no sheet {name:?}"),
                nearest(name, sheets.iter().map(|sheet| &*sheet.name)),
            )
        }),
    };
    match found {
        Ok(sheet) if sheet.typ == SheetType::WorkSheet => Ok(vec![sheet.name.clone()]),
        Ok(sheet) => {
            Err(Fault::new(Kind::Input, format!("{:?} is no sheet of cells", sheet.name)).expected(list()))
        }
        Err((what, near)) => Err(Fault::new(Kind::Input, what).expected(list()).next(match near {
            Some(near) => format!("did you mean sheet = {near:?}?"),
            None => "correct sheet = ...".to_owned(),
        })),
    }
}

/// A file that tells how much of it has been read.
struct Watched {
    file: File,
    task: Arc<dyn Task>,
    /// Bytes not yet reported. A workbook's parts may be read more than once.
    left: u64,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.task.check().map_err(std::io::Error::other)?;
        let count = self.file.read(buffer)?;
        let new = self.left.min(count as u64);
        self.left -= new;
        self.task.advance(new);
        Ok(count)
    }
}

impl Seek for Watched {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(to)
    }
}

type Source = BufReader<Watched>;

/// A workbook of any format.
enum Book {
    Xlsx(Xlsx<Source>),
    Xlsb(Xlsb<Source>),
    Xls(Xls<Cursor<Vec<u8>>>),
    Ods(Ods<Source>),
}

impl Book {
    fn open(mut input: Input) -> Result<Self> {
        let mut mark = [0; 2];
        input.file.read_exact(&mut mark).and_then(|()| input.file.rewind()).map_err(unreadable)?;
        if mark != *b"PK" {
            // A compound file: a workbook of before 2007, or any workbook under a password.
            return match Xls::new(guard::unpack(source(input)?)?) {
                Err(XlsError::Password) => Err(locked()),
                other => other.map(Self::Xls).map_err(unreadable),
            };
        }
        let format = guard::inspect(&input.file)?;
        let source = source(input)?;
        match format {
            Format::Xlsx => Xlsx::new(source).map(Self::Xlsx).map_err(unreadable),
            Format::Xlsb => Xlsb::new(source).map(Self::Xlsb).map_err(unreadable),
            Format::Ods => match Ods::new(source) {
                Err(OdsError::Password) => Err(locked()),
                other => other.map(Self::Ods).map_err(unreadable),
            },
        }
    }

    const fn format(&self) -> &'static str {
        match self {
            Self::Xlsx(_) => "xlsx workbook",
            Self::Xlsb(_) => "xlsb workbook",
            Self::Xls(_) => "xls workbook",
            Self::Ods(_) => "ods workbook",
        }
    }

    fn sheets(&self) -> &[calamine::Sheet] {
        match self {
            Self::Xlsx(book) => book.sheets_metadata(),
            Self::Xlsb(book) => book.sheets_metadata(),
            Self::Xls(book) => book.sheets_metadata(),
            Self::Ods(book) => book.sheets_metadata(),
        }
    }

    /// Every cell of a sheet, in order.
    fn read(&mut self, sheet: &str, table: &mut Table<'_>) -> Result<(), Halt> {
        match self {
            Self::Xlsx(book) => {
                let mut cells = book.worksheet_cells_reader(sheet).map_err(unreadable)?;
                while let Some(cell) = cells.next_cell().map_err(unreadable)? {
                    table.cell(cell.get_position(), cell.get_value())?;
                }
                Ok(())
            }
            Self::Xlsb(book) => {
                let mut cells = book.worksheet_cells_reader(sheet).map_err(unreadable)?;
                while let Some(cell) = cells.next_cell().map_err(unreadable)? {
                    table.cell(cell.get_position(), cell.get_value())?;
                }
                Ok(())
            }
            Self::Xls(book) => table.range(&book.worksheet_range(sheet).map_err(unreadable)?),
            Self::Ods(book) => table.range(&book.worksheet_range(sheet).map_err(unreadable)?),
        }
    }
}

fn source(input: Input) -> Result<Source> {
    let Input { mut file, length, task, .. } = input;
    file.rewind().map_err(unreadable)?;
    Ok(BufReader::new(Watched { file, task, left: length }))
}

/// Makes rows of the cells of one sheet.
struct Table<'a> {
    sheet: &'a str,
    header_row: Option<u32>,
    send: &'a SyncSender<Message>,
    /// A row that is not blank has been met.
    met: bool,
    /// The headers have been sent.
    opened: bool,
    row: Row,
    batch: Vec<Row>,
}

impl<'a> Table<'a> {
    fn new(sheet: &'a str, header_row: Option<u32>, send: &'a SyncSender<Message>) -> Self {
        Self { sheet, header_row, send, met: false, opened: false, row: Row::default(), batch: Vec::new() }
    }

    fn range(&mut self, range: &Range<Data>) -> Result<(), Halt> {
        let (top, left) = range.start().unwrap_or_default();
        for (row, column, value) in range.used_cells() {
            let place =
                |start: u32, offset: usize| start.saturating_add(u32::try_from(offset).unwrap_or(u32::MAX));
            self.cell((place(top, row), place(left, column)), value)?;
        }
        Ok(())
    }

    /// The next cell; places count from nought.
    fn cell(&mut self, (row, column): (u32, u32), value: &impl DataType) -> Result<(), Halt> {
        let number = u64::from(row) + 1;
        if number != self.row.number {
            self.end_row()?;
        }
        let filled = u32::try_from(self.row.len()).unwrap_or(u32::MAX);
        if number < self.row.number || column < filled || column >= COLUMNS {
            let fault =
                Fault::new(Kind::Input, "the cells of the sheet are out of order, or beyond its edge");
            return Err(fault
                .value(format_args!("row {number}, column {}", u64::from(column) + 1))
                .next("open it in Excel and save it again as .xlsx")
                .into());
        }
        self.row.number = number;
        for _ in filled..column {
            self.row.push("", Mark::Text);
        }
        // The text goes straight into the row; pushing nothing after it closes the cell.
        let mark = cell::write(value, &mut self.row.text);
        self.row.push("", mark);
        Ok(())
    }

    /// The current row is complete.
    fn end_row(&mut self) -> Result<(), Halt> {
        let number = self.row.number;
        if self.row.is_empty() {
            self.row.clear();
            return Ok(());
        }
        self.met = true;
        if !self.opened {
            match self.header_row.map(u64::from) {
                Some(header) if number < header => self.row.clear(),
                Some(header) if number > header => return Err(no_header(header)),
                _ => self.open_table()?,
            }
            return Ok(());
        }
        // The next row will be about as long.
        let next = Row {
            text: String::with_capacity(self.row.text.len() + 16),
            cells: Vec::with_capacity(self.row.cells.len()),
            marks: Vec::with_capacity(self.row.marks.len()),
            number,
            ..Row::default()
        };
        self.batch.push(std::mem::replace(&mut self.row, next));
        if self.batch.len() >= BATCH {
            self.send_batch()?;
        }
        Ok(())
    }

    /// Takes the current row for the headers.
    fn open_table(&mut self) -> Result<(), Halt> {
        // Cells that only have a colour trail behind the last header.
        let count = (0..self.row.len())
            .rfind(|&column| !self.row.text(column).trim().is_empty())
            .map_or(0, |last| last + 1);
        let columns = columns((0..count).map(|column| self.row.text(column)));
        self.row.clear();
        self.opened = true;
        let header_row = self.row.number;
        self.tell(Message::Opened { sheet: self.sheet.to_owned(), columns, header_row })
    }

    fn send_batch(&mut self) -> Result<(), Halt> {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        self.tell(Message::Rows(batch))
    }

    fn tell(&self, message: Message) -> Result<(), Halt> {
        self.send.send(message).map_err(|_| Halt::Unwatched)
    }

    /// The sheet has no more cells; whether it had any with something in them.
    fn finish(mut self) -> Result<bool, Halt> {
        self.end_row()?;
        match self.header_row {
            _ if self.opened => self.send_batch()?,
            Some(header) if self.met => return Err(no_header(u64::from(header))),
            _ => {}
        }
        Ok(self.met)
    }
}

fn no_header(row: u64) -> Halt {
    Fault::new(Kind::Input, format!("row {row} of the sheet, where header_row expects the headers, is blank"))
        .next("set header_row to the row of the headers, counted from 1")
        .into()
}
