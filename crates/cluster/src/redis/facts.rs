//! What `facts.lua` is asked, and what it says.

use std::sync::Arc;

use redis::{Value, from_redis_value};

use crate::{
    Fact, Page, Question, Stamp,
    ledger::{BYTES, READ},
};

/// The longest name of a count that is believed.
const EPOCH: usize = 64;

/// The arguments, in the order of the script.
pub(super) fn arguments(question: &Question) -> Vec<String> {
    let mut arguments = vec![
        question.shelf.word.to_owned(),
        question.epoch.clone(),
        question.since.to_string(),
        question.shelf.limit.to_string(),
        READ.to_string(),
        BYTES.to_string(),
        question.new_epoch.clone(),
    ];
    for fact in &question.offers {
        arguments.extend([
            fact.name.to_string(),
            fact.stamp.ms.to_string(),
            fact.stamp.node.to_string(),
            fact.until.to_string(),
            fact.text.to_string(),
        ]);
    }
    arguments
}

/// The answer. What makes no sense among the facts is left out.
pub(super) fn page(said: Vec<Value>) -> Option<Page> {
    let mut said = said
        .into_iter()
        .map(|value| from_redis_value::<String>(value).ok());
    let epoch = said.next()??;
    let last = said.next()??.parse().ok()?;
    let is_cut = said.next()?? == "1";
    let refused = said.next()??.parse().ok()?;
    let mut facts = Vec::new();
    while let (Some(name), Some(text)) = (said.next(), said.next()) {
        facts.extend(name.zip(text).and_then(|(name, text)| fact(&name, &text)));
    }
    (epoch.len() <= EPOCH).then_some(Page {
        epoch,
        last,
        is_cut,
        refused,
        facts,
    })
}

fn fact(name: &str, text: &str) -> Option<Fact> {
    let mut parts = text.splitn(4, ' ');
    let ms = parts.next()?.parse().ok()?;
    let node = parts.next()?.parse().ok()?;
    let until = parts.next()?.parse().ok()?;
    Some(Fact {
        name: Arc::from(name),
        stamp: Stamp { ms, node },
        until,
        text: Arc::from(parts.next()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeId;

    #[test]
    fn an_answer_is_read_and_what_makes_no_sense_in_it_is_left_out() {
        let texts = |texts: &[&str]| {
            let texts = texts.iter();
            let texts = texts.map(|text| Value::BulkString(text.as_bytes().to_vec()));
            texts.collect::<Vec<_>>()
        };
        let mut said = texts(&["e.1", "7", "1", "2"]);
        said.extend(texts(&["sun", "5 00000000000000aa 9 it shines"]));
        said.extend(texts(&["rain", "5 aa 9 falls", "wind", "", "snow"]));
        let fact = Fact {
            name: "sun".into(),
            stamp: Stamp {
                ms: 5,
                node: NodeId(0xaa),
            },
            until: 9,
            text: "it shines".into(),
        };
        let expected = Page {
            epoch: "e.1".to_owned(),
            last: 7,
            is_cut: true,
            refused: 2,
            facts: vec![fact],
        };
        assert_eq!(page(said), Some(expected));
        for wrong in [&["e", "7", "1"][..], &["e", "-7", "1", "0"], &[]] {
            assert_eq!(page(texts(wrong)), None, "{wrong:?}");
        }
        assert_eq!(page(texts(&[&"e".repeat(65), "7", "1", "0"])), None);
    }
}
