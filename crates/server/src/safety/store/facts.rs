//! What all servers are to know, as it is written down. A table of its own: a store that was never one of several has none.

use std::{collections::BTreeMap, sync::Arc};

use cluster::{Fact, NodeId, Stamp};
use redb::{
    ReadTransaction, ReadableTable as _, Table, TableDefinition, TableError, WriteTransaction,
};
use serde::{Deserialize, Serialize};

use super::{parsed, row};

/// By shelf and name.
const FACTS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("facts");

/// All of them, by shelf and name.
pub(crate) type Facts = BTreeMap<(String, Arc<str>), Fact>;

#[derive(Serialize, Deserialize)]
struct Row<'a> {
    ms: u64,
    node: NodeId,
    until: u64,
    text: std::borrow::Cow<'a, str>,
}

pub(super) fn read(transaction: &ReadTransaction) -> Result<Facts, redb::Error> {
    let table = match transaction.open_table(FACTS) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(Facts::new()),
        Err(other) => return Err(other.into()),
    };
    let mut facts = Facts::new();
    for entry in table.iter()? {
        let (key, value) = entry?;
        let (shelf, name) = key.value();
        let Row {
            ms,
            node,
            until,
            text,
        } = parsed(value.value())?;
        let name: Arc<str> = name.into();
        let fact = Fact {
            name: Arc::clone(&name),
            stamp: Stamp { ms, node },
            until,
            text: text.into(),
        };
        facts.insert((shelf.to_owned(), name), fact);
    }
    Ok(facts)
}

type Open<'a> = Table<'a, (&'static str, &'static str), &'static [u8]>;

pub(super) fn open(transaction: &WriteTransaction) -> Result<Open<'_>, redb::Error> {
    Ok(transaction.open_table(FACTS)?)
}

pub(super) fn write(
    table: &mut Open<'_>,
    shelf: &str,
    name: &str,
    fact: Option<&Fact>,
) -> Result<(), redb::Error> {
    match fact {
        Some(fact) => {
            let value = row(&Row {
                ms: fact.stamp.ms,
                node: fact.stamp.node,
                until: fact.until,
                text: (&*fact.text).into(),
            });
            drop(table.insert((shelf, name), &value[..])?);
        }
        None => drop(table.remove((shelf, name))?),
    }
    Ok(())
}
