//! Groups of 8 parts of 1 KiB. Their metadata is one byte, a bit for each part that its sender has; a message is such a
//! byte for the parts in it, these parts, and the group's id.

use std::collections::HashSet;

use anyhow::{Result, ensure};
use libp2p::PeerId;
use libp2p_gossipsub::partial_messages::{Metadata, Partial, PartialAction, PartialError};

const COUNT: usize = 8;
const BYTES: usize = 1024;

#[derive(Clone)]
pub struct Group {
    id: u64,
    pub have: u8,
    parts: [Vec<u8>; COUNT],
    /// To whom everything is sent unasked
    pub eager: HashSet<PeerId>,
}

fn is_in(part: usize, parts: u8) -> bool {
    parts >> part & 1 == 1
}

impl Group {
    pub fn new(id: u64) -> Group {
        Group {
            id,
            have: 0,
            parts: Default::default(),
            eager: HashSet::new(),
        }
    }

    /// Makes up those parts.
    pub fn add(&mut self, parts: u8) {
        for i in (0..COUNT).filter(|i| is_in(*i, parts)) {
            let numbers = (0..BYTES / 8).map(|j| self.id.wrapping_add((i * BYTES / 8 + j) as u64));
            self.parts[i] = numbers.flat_map(u64::to_be_bytes).collect();
        }
        self.have |= parts;
    }

    /// Puts in the parts of a message, and says which are in it.
    pub fn take(&mut self, message: &[u8]) -> Result<u8> {
        let parts = *message.first().unwrap_or(&0);
        ensure!(
            message.len() == 9 + parts.count_ones() as usize * BYTES,
            "a partial message of {} bytes",
            message.len()
        );
        let bodies = message[1..].chunks_exact(BYTES);
        for (i, body) in (0..COUNT).filter(|i| is_in(*i, parts)).zip(bodies) {
            self.parts[i] = body.to_vec();
        }
        self.have |= parts;
        Ok(parts)
    }

    fn encode(&self, parts: u8) -> Vec<u8> {
        let mut message = vec![parts];
        for i in (0..COUNT).filter(|i| is_in(*i, parts)) {
            message.extend(&self.parts[i]);
        }
        message.extend(self.id.to_be_bytes());
        message
    }
}

impl Partial for Group {
    fn group_id(&self) -> Vec<u8> {
        self.id.to_be_bytes().to_vec()
    }

    fn metadata(&self) -> Box<dyn Metadata> {
        Box::new(Bitmap([self.have]))
    }

    fn partial_action_from_metadata(
        &self,
        peer: PeerId,
        metadata: Option<&[u8]>,
    ) -> Result<PartialAction, PartialError> {
        let theirs = match metadata {
            Some(&[theirs]) => theirs,
            None if self.eager.contains(&peer) => 0,
            None => self.have, // whoever said nothing is sent nothing
            Some(_) => return Err(PartialError::InvalidFormat),
        };
        let missing = self.have & !theirs;
        Ok(PartialAction {
            need: theirs & !self.have != 0,
            send: (missing != 0).then(|| (self.encode(missing), Box::new(Bitmap([theirs | missing])) as _)),
        })
    }
}

#[derive(Debug)]
struct Bitmap([u8; 1]);

impl Metadata for Bitmap {
    fn as_slice(&self) -> &[u8] {
        &self.0
    }

    fn update(&mut self, data: &[u8]) -> Result<bool, PartialError> {
        let &[more] = data else {
            return Err(PartialError::InvalidFormat);
        };
        let before = self.0[0];
        self.0[0] |= more;
        Ok(self.0[0] != before)
    }
}
