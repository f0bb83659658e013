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

#[cfg(test)]
mod tests {
    use super::Heard::{Arrived, Silence, Void};
    use super::*;

    const NAT: Mapping = Mapping::EndpointIndependent;

    fn judge(witnesses: &[(Heard, Heard)]) -> Filtering {
        let witnesses: Vec<Witness> = witnesses
            .iter()
            .map(|(near, far)| Witness {
                near: *near,
                far: *far,
            })
            .collect();
        verdict(&witnesses, NAT).0
    }

    #[test]
    fn one_witness_follows_the_table() {
        let table = [
            ((Arrived, Arrived), Filtering::EndpointIndependent),
            ((Silence, Arrived), Filtering::EndpointIndependent),
            ((Void, Arrived), Filtering::EndpointIndependent),
            ((Arrived, Silence), Filtering::AddressDependent),
            ((Arrived, Void), Filtering::Unknown),
            ((Silence, Silence), Filtering::AddressAndPortDependent),
            ((Silence, Void), Filtering::AddressAndPortDependent),
            ((Void, Silence), Filtering::Unknown),
            ((Void, Void), Filtering::Unknown),
        ];
        for (heard, expected) in table {
            assert_eq!(judge(&[heard]), expected, "{heard:?}");
        }
        assert_eq!(judge(&[]), Filtering::Unknown);
    }

    #[test]
    fn an_arrival_outweighs_any_silence() {
        let lie = (Silence, Silence);
        assert_eq!(
            judge(&[lie, (Arrived, Arrived)]),
            Filtering::EndpointIndependent
        );
        assert_eq!(
            judge(&[lie, (Arrived, Silence)]),
            Filtering::AddressDependent
        );
    }

    #[test]
    fn without_a_nat_nothing_is_filtered() {
        let open = Witness {
            near: Arrived,
            far: Arrived,
        };
        assert_eq!(verdict(&[open], Mapping::None).0, Filtering::None);
    }

    #[test]
    fn the_contradicted_are_named() {
        let witness = |near, far| Witness { near, far };
        let all = [
            witness(Silence, Silence),
            witness(Arrived, Silence),
            witness(Void, Void),
        ];
        assert_eq!(contradicted(&all), [0]);
        assert_eq!(
            contradicted(&[witness(Arrived, Silence), witness(Arrived, Arrived)]),
            [0]
        );
        assert_eq!(contradicted(&[witness(Silence, Silence)]), [0_usize; 0]);
    }
}
