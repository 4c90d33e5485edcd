//! What outlasts a restart: one file, with a version and the steps from each version to the next.
//!
//! A thread of its own writes, so that nobody waits for a disk: what is to be written comes through a queue with a limit, and when it is on
//! the disk that is told. What waits is written together. The database is redb: each write is whole or not there, whenever the
//! process or the machine dies.
//!
//! Rows are JSON objects, so that a field can be added without a new version; what cannot be read so is a step in [`STEPS`].
//! Whether a store could be used is looked at in `check.rs`.

use std::{
    fs::{File, OpenOptions},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    time::Duration,
};

use redb::{
    Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase as _, ReadableTable as _,
    StorageError, TableDefinition, TableError, WriteTransaction, backends::FileBackend,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::mpsc;
use tracing::{debug, error, info, warn};

use super::{Change, Changes, Tables};
use crate::random::random_secret;
use check::cannot_open;

mod check;

mod facts;

pub(crate) use facts::Facts;

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const KEYS: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("keys");
const REPORTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("reports");
const BANS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("bans");
const BLOCKS: TableDefinition<'_, ([u8; 16], [u8; 16]), u64> = TableDefinition::new("blocks");

/// In [`META`]: the version, as four bytes, the most significant first.
const VERSION: &str = "version";
/// In [`META`]: [`Tables::secret`].
const SECRET: &str = "secret";

/// Brings a store from one version to the next.
type Step = fn(&WriteTransaction) -> Result<(), redb::Error>;

/// The first makes version 1 of nothing, the second version 2 of version 1, and so on. A step that was released stays as it is.
const STEPS: &[Step] = &[first_version];

/// How many writes may wait. More are refused, which is told to whoever wanted them.
const QUEUE: usize = 1024;
/// How many writes are made durable together.
const TOGETHER: usize = 256;
/// How many changes are kept that could not be written.
const BACKLOG: usize = 10_000;
/// How often they are tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How much of the file is kept in memory, in bytes: all that is asked is in [`super::Records`].
const CACHE: usize = 1024 * 1024;

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be made or read.
    #[error("--store: cannot use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It could not be made: there is no place for it.
    #[error("--store: there is no folder {0}: make it first, for the user that the server runs as")]
    NoFolder(PathBuf),
    /// It could not be made: the place is not ours.
    #[error(
        "--store: no file can be made in {0}: the user that the server runs as must be able to write there"
    )]
    FolderNotWritable(PathBuf),
    /// Another server has it.
    #[error("--store: {0} is in use by another server: each needs a store of its own")]
    InUse(PathBuf),
    /// It is no store, or not a whole one.
    #[error(
        "--store: {path} is damaged or no store ({reason}): put a copy in its place, or move it away to begin with an \
         empty one"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the database says.
        reason: String,
    },
    /// A later server has written it.
    #[error(
        "--store: {path} has version {found}, and this server knows {known} at most: use the server that wrote it, or a later one"
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The last version that is known here.
        known: u32,
    },
}

impl StoreError {
    /// Whether it is so the next time, too, unless somebody changes something.
    pub fn stays(&self) -> bool {
        match self {
            Self::InUse(_) => false,
            Self::File { source, .. } => source.kind() != io::ErrorKind::StorageFull,
            _ => true,
        }
    }
}

/// An open store.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    /// `None` after a failure, until it can be opened again.
    database: Option<Database>,
}

/// Something to be written.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) number: u64,
    pub(crate) changes: Changes,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) number: u64,
    /// Whether it is on the disk.
    pub(crate) is_kept: bool,
}

/// Where changes go.
#[derive(Debug)]
pub(crate) struct Writer {
    /// `None`: nothing is kept.
    queue: Option<SyncSender<Write>>,
    last_number: u64,
}

/// What happens to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// There is nothing to wait for.
    Done,
    /// It will be told by this number.
    Later(u64),
    /// The disk does not keep up, or there is none any more.
    Refused,
}

impl Writer {
    /// Forgets everything with the process.
    pub(crate) const fn nowhere() -> Self {
        Self {
            queue: None,
            last_number: 0,
        }
    }

    /// Writes nothing by itself: what comes out of the other end is for [`Store::run`].
    pub(crate) fn queue() -> (Self, Receiver<Write>) {
        let (queue, writes) = sync_channel(QUEUE);
        let writer = Self {
            queue: Some(queue),
            last_number: 0,
        };
        (writer, writes)
    }

    /// Has changes written down. Never waits.
    pub(crate) fn write(&mut self, changes: Changes) -> Promise {
        let Some(queue) = &self.queue else {
            return Promise::Done;
        };
        if changes.is_empty() {
            return Promise::Done;
        }
        self.last_number += 1;
        let number = self.last_number;
        match queue.try_send(Write { number, changes }) {
            Ok(()) => Promise::Later(number),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Promise::Refused,
        }
    }
}

impl Store {
    /// Opens a store, or makes one, and reads what is in it. Takes as long as the disk.
    pub(crate) fn open(path: &Path) -> Result<(Self, Tables), StoreError> {
        // A file that is no store may have anything in it.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let database = open(path)?;
            let tables = prepare(&database, path, STEPS)?;
            Ok((database, tables))
        }));
        let (database, tables) =
            opened.unwrap_or_else(|_| Err(damaged(path, "it makes no sense")))?;
        let store = Self {
            path: path.to_owned(),
            database: Some(database),
        };
        Ok((store, tables))
    }

    /// Writes until nobody has anything to write any more. Blocks its thread.
    pub(crate) fn run(mut self, writes: &Receiver<Write>, written: &mpsc::Sender<Written>) {
        let mut backlog = Changes::new();
        loop {
            let first = if backlog.is_empty() {
                writes.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                writes.recv_timeout(RETRY)
            };
            let mut batch = match first {
                Ok(first) => vec![first],
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            batch.extend(writes.try_iter().take(TOGETHER));
            let is_kept = self.write_all(&mut backlog, &batch);
            for Write { number, .. } in batch {
                // What was asked for before the end is written, although nobody waits for it any more.
                if written.blocking_send(Written { number, is_kept }).is_err() {
                    debug!("nobody waits for the store");
                }
            }
        }
        if !backlog.is_empty() {
            warn!(
                changes = backlog.len(),
                "the store could not be written at the end"
            );
        }
    }

    /// Writes what could not be written before, and `batch`. If that fails, all of it is kept for the next time.
    fn write_all(&mut self, backlog: &mut Changes, batch: &[Write]) -> bool {
        let was_failing = !backlog.is_empty();
        if self.database.is_none() {
            self.database = open(&self.path).ok();
        }
        let result = match &self.database {
            Some(database) => commit(database, backlog.iter().chain(changes_of(batch))),
            None => Err(redb::Error::DatabaseClosed),
        };
        match result {
            Ok(()) => {
                if was_failing {
                    info!("the store is written again");
                }
                backlog.clear();
                true
            }
            Err(problem) => {
                if !was_failing {
                    error!(%problem, "the store cannot be written: is the disk full? Reports are refused until it can");
                }
                let room = BACKLOG.saturating_sub(backlog.len());
                backlog.extend(changes_of(batch).take(room).cloned());
                // After a failure it does nothing more until it is opened again.
                self.database = None;
                false
            }
        }
    }
}

fn changes_of(batch: &[Write]) -> impl Iterator<Item = &Change> {
    batch.iter().flat_map(|write| &write.changes)
}

fn open(path: &Path) -> Result<Database, StoreError> {
    let file = private(path).map_err(|error| cannot_open(path, error))?;
    let opened = FileBackend::new(file).and_then(|file| {
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE).create_with_backend(file)
    });
    opened.map_err(|problem| refusal(path, problem))
}

/// Why a file cannot be opened as a database.
fn refusal(path: &Path, problem: DatabaseError) -> StoreError {
    match problem {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(path.to_owned()),
        DatabaseError::Storage(StorageError::Io(source))
            if source.kind() != io::ErrorKind::InvalidData =>
        {
            StoreError::File {
                path: path.to_owned(),
                source,
            }
        }
        other => damaged(path, other.to_string()),
    }
}

fn damaged(path: &Path, reason: impl Into<String>) -> StoreError {
    StoreError::Damaged {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

/// A file that nobody else may read: addresses are in it.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// Brings it to the newest version and reads it.
fn prepare(database: &Database, path: &Path, steps: &[Step]) -> Result<Tables, StoreError> {
    let damaged = |problem: redb::Error| damaged(path, problem.to_string());
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    let found = version(database).map_err(damaged)?;
    if found > known {
        return Err(StoreError::TooNew {
            path: path.to_owned(),
            found,
            known,
        });
    }
    if found < known {
        migrate(database, found, steps).map_err(|problem| match problem {
            redb::Error::Io(source) => StoreError::File {
                path: path.to_owned(),
                source,
            },
            other => damaged(other),
        })?;
    }
    read(database).map_err(damaged)
}

/// Takes the missing steps, all or none.
fn migrate(database: &Database, from: u32, steps: &[Step]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    for step in steps.iter().skip(from as usize) {
        step(&transaction)?;
    }
    let version = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    transaction
        .open_table(META)?
        .insert(VERSION, &version.to_be_bytes()[..])?;
    transaction.commit()?;
    info!(from, to = version, "the store has another version now");
    Ok(())
}

/// The version of a store; 0 for one that is empty.
fn version(database: &Database) -> Result<u32, redb::Error> {
    let transaction = database.begin_read()?;
    match transaction.open_table(META) {
        Ok(meta) => {
            let value = meta.get(VERSION)?;
            let bytes = value
                .map(|value| value.value().to_owned())
                .unwrap_or_default();
            <[u8; 4]>::try_from(bytes)
                .map(u32::from_be_bytes)
                .map_err(|_| redb::Error::Corrupted("it has no version".to_owned()))
        }
        Err(TableError::TableDoesNotExist(_)) => Ok(0),
        Err(other) => Err(other.into()),
    }
}

/// Makes version 1 of nothing.
fn first_version(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    let secret = random_secret();
    transaction.open_table(META)?.insert(SECRET, &secret[..])?;
    transaction.open_table(KEYS)?;
    transaction.open_table(REPORTS)?;
    transaction.open_table(BANS)?;
    transaction.open_table(BLOCKS)?;
    Ok(())
}

fn read(database: &Database) -> Result<Tables, redb::Error> {
    let transaction = database.begin_read()?;
    let corrupted = |what: &str| redb::Error::Corrupted(what.to_owned());
    let secret = transaction.open_table(META)?.get(SECRET)?;
    let secret = secret.and_then(|secret| <[u8; 32]>::try_from(secret.value()).ok());
    let mut tables = Tables {
        secret: secret.ok_or_else(|| corrupted("it has no secret"))?,
        ..Tables::default()
    };
    for row in transaction.open_table(KEYS)?.iter()? {
        let (key, known) = row?;
        tables
            .keys
            .insert(super::KeyHash(key.value()), parsed(known.value())?);
    }
    tables.facts = facts::read(&transaction)?;
    tables.reports = rows(&transaction, REPORTS)?;
    tables.bans = rows(&transaction, BANS)?;
    for row in transaction.open_table(BLOCKS)?.iter()? {
        let (pair, number) = row?;
        let (by, whom) = pair.value();
        let pair = (super::KeyHash(by), super::KeyHash(whom));
        tables.blocks.insert(pair, number.value());
    }
    Ok(tables)
}

fn rows<T: DeserializeOwned>(
    transaction: &ReadTransaction,
    table: TableDefinition<'_, u64, &[u8]>,
) -> Result<std::collections::BTreeMap<u64, T>, redb::Error> {
    let table = transaction.open_table(table)?;
    let mut found = std::collections::BTreeMap::new();
    for row in table.iter()? {
        let (number, value) = row?;
        found.insert(number.value(), parsed(value.value())?);
    }
    Ok(found)
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, redb::Error> {
    serde_json::from_slice(bytes)
        .map_err(|error| redb::Error::Corrupted(format!("a row cannot be read: {error}")))
}

/// Writes changes, all or none, and waits until they are on the disk.
fn commit<'a>(
    database: &Database,
    changes: impl Iterator<Item = &'a Change>,
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut keys = transaction.open_table(KEYS)?;
        let mut reports = transaction.open_table(REPORTS)?;
        let mut bans = transaction.open_table(BANS)?;
        let mut blocks = transaction.open_table(BLOCKS)?;
        let mut facts = facts::open(&transaction)?;
        for change in changes {
            match change {
                Change::Key(key, Some(known)) => drop(keys.insert(key.0, &row(known)[..])?),
                Change::Key(key, None) => drop(keys.remove(key.0)?),
                Change::Report(number, Some(report)) => {
                    drop(reports.insert(number, &row(report)[..])?);
                }
                Change::Report(number, None) => drop(reports.remove(number)?),
                Change::Ban(number, Some(ban)) => drop(bans.insert(number, &row(ban)[..])?),
                Change::Ban(number, None) => drop(bans.remove(number)?),
                Change::Block(by, whom, Some(number)) => {
                    drop(blocks.insert((by.0, whom.0), number)?);
                }
                Change::Block(by, whom, None) => drop(blocks.remove((by.0, whom.0))?),
                Change::Fact(shelf, name, fact) => {
                    facts::write(&mut facts, shelf, name, fact.as_ref())?;
                }
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

fn row(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("rows have no map keys or values that JSON cannot hold")
}

#[cfg(test)]
mod tests;
