//! The operations of a group that everybody may know: those of the runner's members that are right, and
//! the peer's own. What is wrong on purpose never stands here.

use std::collections::BTreeSet;

use dchat_wire::codec;
use dchat_wire::group::{Operation as Read, SignedOperation};

use super::super::bodies::group::{LogCut, Operation, Signed, deed, seat};
use super::super::clock;
use super::super::identity::Identity;

/// Name of an operation.
pub type Hash = [u8; 32];

/// Most hashes that GROUP_OPERATIONS names.
pub const NAMED: usize = 16;
/// Most operations in one.
pub const CARRIED: usize = 64;

/// An operation that is known.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its name.
    pub hash: Hash,
    /// It.
    pub signed: Signed,
    /// Who did it.
    pub author: [u8; 32],
    /// The author's count.
    pub seq: u32,
    /// What it names.
    pub after: Vec<Hash>,
    /// What it does.
    pub deed: u8,
}

/// The operations, none before one it names.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// The group.
    pub group: [u8; 32],
    /// All of them.
    pub known: Vec<Known>,
}

impl Story {
    /// A group called `name` that `founder` makes, writing with `key`.
    #[must_use]
    pub fn create(founder: &Identity, key: &Identity, name: &str) -> Self {
        let who = founder.public();
        let operation = Operation {
            group: [0; 32],
            author: who,
            seq: 1,
            after: Vec::new(),
            at: clock::now_ms(),
            deed: deed::CREATE,
            subject: None,
            text: name.to_owned(),
            seat: Some(seat(&[0; 32], &who, key, "Founder")),
            cut: Vec::new(),
        };
        let mut story = Self::default();
        story.group = story.add(&operation, founder);
        story
    }

    /// Takes an operation up, signed by its author; its name.
    pub fn add(&mut self, operation: &Operation, author: &Identity) -> Hash {
        let signed = operation.signed(author);
        let hash = signed.hash();
        self.known.push(Known {
            hash,
            signed,
            author: operation.author,
            seq: operation.seq,
            after: operation.after.clone(),
            deed: operation.deed,
        });
        hash
    }

    /// Takes up an operation that came, when it is right and all that it names is there. Whether it is
    /// known now.
    pub fn learn(&mut self, signed: &SignedOperation) -> bool {
        if self.has(&signed.hash()) {
            return true;
        }
        let Ok(read) = signed.open() else {
            return false;
        };
        let after = read.after.as_slice().to_vec();
        if read.group != self.group || !after.iter().all(|hash| self.has(hash)) {
            return false;
        }
        self.known.push(Known {
            hash: signed.hash(),
            signed: Signed {
                body: signed.body.as_slice().to_vec(),
                signature: signed.signature,
            },
            author: *read.author.public_key(),
            seq: read.seq,
            after,
            deed: read.deed as u8,
        });
        true
    }

    /// Whether an operation is known.
    #[must_use]
    pub fn has(&self, hash: &Hash) -> bool {
        self.known.iter().any(|known| known.hash == *hash)
    }

    /// The operation of that name, read.
    #[must_use]
    pub fn read(&self, hash: &Hash) -> Option<Read> {
        let known = self.known.iter().find(|known| known.hash == *hash)?;
        codec::decode(&known.signed.body).ok()
    }

    /// The newest operation of somebody with this deed.
    #[must_use]
    pub fn newest(&self, author: &[u8; 32], deed: u8) -> Option<Hash> {
        let mut own = self.known.iter().rev();
        let found = own.find(|known| known.author == *author && known.deed == deed)?;
        Some(found.hash)
    }

    /// Operations that no other names, ascending.
    #[must_use]
    pub fn heads(&self) -> Vec<Hash> {
        let named: BTreeSet<Hash> = self
            .known
            .iter()
            .flat_map(|one| one.after.clone())
            .collect();
        let heads = self.known.iter().map(|known| known.hash);
        let heads: BTreeSet<Hash> = heads.filter(|hash| !named.contains(hash)).collect();
        heads.into_iter().collect()
    }

    /// These operations and all they had seen.
    #[must_use]
    pub fn past(&self, of: &[Hash]) -> BTreeSet<Hash> {
        let mut past: BTreeSet<Hash> = of.iter().copied().collect();
        // None stands before one it names.
        for known in self.known.iter().rev() {
            if past.contains(&known.hash) {
                past.extend(&known.after);
            }
        }
        past
    }

    /// An operation and all its past, in order.
    #[must_use]
    pub fn upto(&self, hash: &Hash) -> Vec<Signed> {
        let past = self.past(&[*hash]);
        self.those(|known| past.contains(&known.hash))
    }

    /// What somebody lacks who knows `heads` and waits for `lacking`, as one frame carries it.
    #[must_use]
    pub fn after(&self, heads: &[Hash], lacking: &[Hash]) -> Vec<Signed> {
        let past = self.past(heads);
        let mut lacks = self.those(|one| !past.contains(&one.hash) || lacking.contains(&one.hash));
        lacks.truncate(CARRIED);
        lacks
    }

    fn those(&self, wanted: impl Fn(&Known) -> bool) -> Vec<Signed> {
        let wanted = self.known.iter().filter(|known| wanted(known));
        wanted.map(|known| known.signed.clone()).collect()
    }

    /// What an author does next, who has seen `after`: nothing in particular yet.
    #[must_use]
    pub fn next(&self, author: &Identity, after: &[Hash], deed: u8) -> Operation {
        let who = author.public();
        let past = self.past(after);
        let own = self.known.iter().filter(|known| known.author == who);
        let own = own.filter(|known| past.contains(&known.hash));
        let mut after = after.to_vec();
        after.sort_unstable();
        Operation {
            group: self.group,
            author: who,
            seq: own.map(|known| known.seq).max().unwrap_or(0) + 1,
            after,
            at: clock::now_ms(),
            deed,
            subject: None,
            text: String::new(),
            seat: None,
            cut: Vec::new(),
        }
    }

    /// Something done to somebody, by one who has seen everything; its name.
    pub fn to(&mut self, author: &Identity, deed: u8, subject: &[u8; 32], cut: &[LogCut]) -> Hash {
        let mut operation = self.next(author, &self.heads(), deed);
        operation.subject = Some(*subject);
        operation.cut = cut.to_vec();
        operation.cut.sort_unstable();
        self.add(&operation, author)
    }

    /// A name or a setting, by one who has seen everything.
    pub fn says(&mut self, author: &Identity, deed: u8, text: &str) -> Hash {
        let mut operation = self.next(author, &self.heads(), deed);
        text.clone_into(&mut operation.text);
        self.add(&operation, author)
    }

    /// Somebody takes its place with `key`, having seen everything.
    pub fn accept(&mut self, author: &Identity, key: &Identity, name: &str) -> Hash {
        let mut operation = self.next(author, &self.heads(), deed::ACCEPT);
        operation.seat = Some(seat(&self.group, &author.public(), key, name));
        self.add(&operation, author)
    }

    /// Somebody goes, having seen everything.
    pub fn leave(&mut self, author: &Identity, cut: &[LogCut]) -> Hash {
        let mut operation = self.next(author, &self.heads(), deed::LEAVE);
        operation.cut = cut.to_vec();
        operation.cut.sort_unstable();
        self.add(&operation, author)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_past_and_counts_follow_from_what_is_named() {
        let (ann, bob) = (Identity::new(&[1; 32]), Identity::new(&[2; 32]));
        let mut story = Story::create(&ann, &Identity::new(&[9; 32]), "friends");
        let group = story.group;
        let invite = story.to(&ann, deed::INVITE, &bob.public(), &[]);
        let mut aside = story.next(&ann, &[group], deed::RENAME);
        assert_eq!(aside.seq, 2);
        "others".clone_into(&mut aside.text);
        let aside = story.add(&aside, &ann);
        let mut heads = vec![invite, aside];
        heads.sort_unstable();
        assert_eq!(story.heads(), heads);
        assert_eq!(story.upto(&invite).len(), 2);
        assert_eq!(story.after(&[invite], &[group]).len(), 2);
        let accept = story.accept(&bob, &Identity::new(&[8; 32]), "Bob");
        assert_eq!(story.heads(), [accept]);
        assert_eq!(story.next(&bob, &[accept], deed::LEAVE).seq, 2);
        assert_eq!(story.past(&[accept]).len(), 4);
    }
}
