//! How many connections an address may have: an IPv4 address, or an IPv6 /64.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ::relay::Place;

/// Counts the connections of a kind that each address has.
#[derive(Debug, Clone)]
pub(crate) struct PlaceLimit {
    /// As many entries as there are such connections, at most.
    counts: Arc<Mutex<HashMap<Place, usize>>>,
    most: usize,
}

/// One of them. Given back when it is dropped.
#[derive(Debug)]
pub(crate) struct PlaceShare {
    limit: PlaceLimit,
    place: Place,
}

impl PlaceLimit {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            counts: Arc::default(),
            most,
        }
    }

    /// `None` if the address has as many as it may.
    pub(crate) fn enter(&self, ip: IpAddr) -> Option<PlaceShare> {
        let place = Place::from(ip);
        let mut counts = self.lock();
        let count = counts.entry(place).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(PlaceShare {
            limit: self.clone(),
            place,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PlaceShare {
    fn drop(&mut self) {
        let mut counts = self.limit.lock();
        if let Some(count) = counts.get_mut(&self.place) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_what_it_gives_back_can_be_taken_again() {
        let limit = PlaceLimit::new(2);
        let [ip, other]: [IpAddr; 2] = [[192, 0, 2, 1].into(), [192, 0, 2, 2].into()];
        let first = limit.enter(ip);
        let second = limit.enter(ip);

        assert!(first.is_some() && second.is_some());
        assert!(limit.enter(ip).is_none());
        assert!(limit.enter(other).is_some());
        drop(first);
        assert!(limit.enter(ip).is_some());
        drop(second);
        assert!(limit.lock().is_empty());
    }
}
