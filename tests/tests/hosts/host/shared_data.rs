//! Shared data, with each host's own idea of compare-and-swap.

use std::collections::BTreeMap;

use super::Behaviour;

const CAS_MISMATCH: u32 = 8;

/// One process's shared data.
#[derive(Debug)]
pub(crate) struct SharedData {
    behaviour: Behaviour,
    values: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    counter: u32,
    /// If set, the bytes that fit; nothing is evicted.
    pub(crate) capacity: Option<usize>,
    /// Whether the next value is read half old, half new (Kong reads without a lock that covers the copy).
    pub(crate) torn: bool,
}

impl SharedData {
    pub(super) const fn new(behaviour: Behaviour) -> Self {
        Self { behaviour, values: BTreeMap::new(), counter: 0, capacity: None, torn: false }
    }

    /// Changes all values, as a neighbour could who shares the namespace.
    pub(crate) fn spoil(&mut self, mut change: impl FnMut(&[u8], &mut Vec<u8>)) {
        for (key, (value, _)) in &mut self.values {
            change(key, value);
        }
    }

    /// Bytes of keys and values.
    pub(crate) fn size(&self) -> usize {
        self.values.iter().map(|(key, (value, _))| key.len() + value.len()).sum()
    }

    /// How many keys were ever set.
    pub(crate) fn keys(&self) -> usize {
        self.values.len()
    }

    pub(super) fn get(&mut self, key: &[u8]) -> Option<(Vec<u8>, u32)> {
        let torn = std::mem::take(&mut self.torn);
        let (mut value, cas) = self.values.get(&self.place(key))?.clone();
        if torn {
            let half = value.len() / 2;
            value[half..].fill(0);
        }
        Some((value, cas))
    }

    /// `Err` with a status; `Ok(false)` where the host traps because the zone is full.
    pub(super) fn set(&mut self, key: &[u8], value: &[u8], cas: u32) -> Result<bool, u32> {
        let place = self.place(key);
        let known = self.values.get(&place).map(|(_, cas)| *cas);
        let mismatch = match self.behaviour {
            // Zero replaces whatever is there; a number given for an absent key is ignored.
            Behaviour::Envoy => cas != 0 && known.is_some_and(|known| known != cas),
            // Zero means: absent.
            Behaviour::Kong | Behaviour::Apisix => cas != known.unwrap_or(0),
        };
        if mismatch {
            return Err(CAS_MISMATCH);
        }
        let before = self.values.get(&place).map_or(0, |(value, _)| value.len() + place.len());
        let after = self.size() - before + value.len() + place.len();
        if self.capacity.is_some_and(|capacity| after > capacity) {
            return Ok(false);
        }
        self.counter += 1;
        let cas = match self.behaviour {
            Behaviour::Envoy => self.counter,
            Behaviour::Kong | Behaviour::Apisix => known.unwrap_or(0) + 1,
        };
        self.values.insert(place, (value.to_vec(), cas));
        Ok(true)
    }

    /// Kong compares the checksums of keys, not the keys.
    fn place(&self, key: &[u8]) -> Vec<u8> {
        match self.behaviour {
            Behaviour::Kong => crc32(key).to_be_bytes().to_vec(),
            Behaviour::Envoy | Behaviour::Apisix => key.to_vec(),
        }
    }
}

/// CRC-32 as nginx computes it (IEEE 802.3).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}

#[test]
fn the_checksum_is_nginxs() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}
