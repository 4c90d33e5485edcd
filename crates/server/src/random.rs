//! Numbers that nobody can guess.

const WORKS: &str = "the system's random source works once it is running";

pub(crate) fn random_u64() -> u64 {
    getrandom::u64().expect(WORKS)
}

pub(crate) fn random_secret() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect(WORKS);
    bytes
}

pub(crate) fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect(WORKS);
    bytes
}
