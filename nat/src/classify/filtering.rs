//! Who is let in: the verdict over what servers and nodes sent from elsewhere.

use dchat_wire::nat::{Filtering, Mapping};

use super::report::Lacking;

/// What came of asking for a datagram from elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Heard {
    /// It was not sent, or nobody knows.
    #[default]
    Void,
    /// It was said to be sent, often enough, and did not arrive.
    Silence,
    /// It arrived from an address that nothing had been sent to: proof, whoever sent it.
    Arrived,
}

/// One witness: a socket from which only this server was ever sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Witness {
    /// From the server's address and another port.
    pub(super) near: Heard,
    /// From another address.
    pub(super) far: Heard,
}

/// The verdict over all witnesses.
pub(super) fn verdict(witnesses: &[Witness], mapping: Mapping) -> (Filtering, Option<Lacking>) {
    let any = |near: bool, what: Heard| {
        witnesses
            .iter()
            .any(|witness| what == if near { witness.near } else { witness.far })
    };
    if any(false, Heard::Arrived) {
        let open = match mapping {
            Mapping::None => Filtering::None,
            _ => Filtering::EndpointIndependent,
        };
        return (open, None);
    }
    if any(true, Heard::Arrived) {
        return if any(false, Heard::Silence) {
            (Filtering::AddressDependent, None)
        } else {
            (Filtering::Unknown, Some(Lacking::Filtering))
        };
    }
    if any(true, Heard::Silence) {
        return (Filtering::AddressAndPortDependent, None);
    }
    (Filtering::Unknown, Some(Lacking::Filtering))
}

/// Whose silence another's arrival contradicts, by index.
pub(super) fn contradicted(witnesses: &[Witness]) -> Vec<usize> {
    let arrived = |near: bool| {
        witnesses
            .iter()
            .any(|witness| witness.far == Heard::Arrived || near && witness.near == Heard::Arrived)
    };
    let (near, far) = (arrived(true), arrived(false));
    (0..witnesses.len())
        .filter(|index| {
            witnesses.get(*index).is_some_and(|witness| {
                near && witness.near == Heard::Silence || far && witness.far == Heard::Silence
            })
        })
        .collect()
}
