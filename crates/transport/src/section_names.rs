//! Every section of a description has a name of its own (RFC 8843 section 7.1, RFC 5888 section 4).
//!
//! `rtc` 0.21.1 names the section for messages after the number of sections before it, without looking whether another one has
//! that name. One has, when an offer was made and rolled back before: then audio and video are 2 and 3, and messages 2 again.
//! Browsers refuse such an offer. The name is changed in what the partner is told; from its answer the stack takes the name as
//! the partner says it.

const NAME: &str = "a=mid:";
const BUNDLE: &str = "a=group:BUNDLE";

/// The description, with another name for the section for messages if another section has its name.
pub(crate) fn told_apart(sdp: String) -> String {
    let names: Vec<&str> = sdp
        .lines()
        .filter_map(|line| line.strip_prefix(NAME))
        .collect();
    let Some(messages) = sdp.find("m=application") else {
        return sdp;
    };
    let (before, section) = sdp.split_at(messages);
    let Some(name) = section.lines().find_map(|line| line.strip_prefix(NAME)) else {
        return sdp;
    };
    if names.iter().filter(|other| **other == name).count() < 2 {
        return sdp;
    }
    let unused = (0..=names.len())
        .map(|number| number.to_string())
        .find(|number| !names.contains(&number.as_str()))
        .expect("there are more numbers than names");
    let before = before.split_inclusive('\n').map(|line| {
        // Of the sections in the bundle, it is the last one.
        match line.trim_end().strip_suffix(name) {
            Some(others) if line.starts_with(BUNDLE) => format!("{others}{unused}\r\n"),
            _ => line.to_owned(),
        }
    });
    let section = section.replacen(
        &format!("{NAME}{name}\r\n"),
        &format!("{NAME}{unused}\r\n"),
        1,
    );
    before.chain([section]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(names: [&str; 3]) -> String {
        let [audio, video, messages] = names;
        format!(
            "v=0\r\na=group:BUNDLE {audio} {video} {messages}\r\nm=audio 9 X\r\na=mid:{audio}\r\n\
             m=video 9 X\r\na=mid:{video}\r\nm=application 9 X\r\na=mid:{messages}\r\na=sctp-port:5000\r\n"
        )
    }

    #[test]
    fn a_name_that_another_section_has_is_changed_everywhere() {
        let changed = told_apart(description(["2", "3", "2"]));
        assert_eq!(changed, description(["2", "3", "0"]));
        assert_eq!(told_apart(changed.clone()), changed);
        assert_eq!(
            told_apart(description(["1", "2", "2"])),
            description(["1", "2", "0"])
        );
    }

    #[test]
    fn names_of_their_own_stay() {
        for names in [["0", "1", "2"], ["4", "5", "2"], ["audio", "video", "data"]] {
            assert_eq!(told_apart(description(names)), description(names));
        }
        for odd in [
            "",
            "v=0\r\n",
            "m=application 9 X\r\n",
            "m=audio\r\na=mid:0\r\na=mid:0\r\n",
        ] {
            assert_eq!(told_apart(odd.to_owned()), odd);
        }
    }
}
