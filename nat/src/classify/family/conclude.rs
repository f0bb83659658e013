//! What it all amounts to.

use std::net::SocketAddr;

use dchat_wire::nat::{Allocation, Filtering, Mapping, NatClass};

use super::Family;
use crate::classify::asker::Asker;
use crate::classify::filtering;
use crate::classify::mapping::{self, Testimony};
use crate::classify::ports::{self, Law, Sample};
use crate::classify::report::{FamilyReport, FaultKind, Lacking};

impl Family {
    pub(in crate::classify) fn report(&self, asker: &mut Asker) -> FamilyReport {
        let seen = self.verdict();
        for operator in &seen.outvoted {
            if let Some(target) = self.targets.iter().find(|t| t.operator == *operator) {
                asker.fault(target.address, FaultKind::Outvoted);
            }
        }
        let witnesses: Vec<filtering::Witness> = self
            .witnesses
            .iter()
            .map(|(_, witness)| witness.verdict(self.other_answers(witness.operator)))
            .collect();
        for index in filtering::contradicted(&witnesses) {
            if let Some((_, witness)) = self.witnesses.get(index) {
                asker.fault(witness.server, FaultKind::NotSent);
            }
        }
        let works = self.targets.iter().any(|target| target.mapped.is_some());
        let (filter, no_filter) = filtering::verdict(&witnesses, seen.mapping);
        let law = self.law(asker, &seen);
        let mut lacking: Vec<Lacking> = seen.lacking.into_iter().collect();
        if works {
            lacking.extend(no_filter);
            if law.allocation == Allocation::Unknown {
                lacking.push(Lacking::Ports);
            }
        }
        FamilyReport {
            works,
            class: class(seen.mapping, filter, law),
            public: seen.public,
            hairpin: self.hairpins(seen.mapping, filter),
            again: class(seen.mapping, filter, self.law_again(seen.mapping)),
            lacking,
        }
    }

    pub(super) fn testimonies(&self) -> Vec<Testimony> {
        self.targets
            .iter()
            .filter_map(|target| {
                Some(Testimony {
                    operator: target.operator,
                    server: target.address,
                    mapped: target.mapped?,
                })
            })
            .collect()
    }

    pub(super) fn verdict(&self) -> mapping::Verdict {
        mapping::verdict(&self.testimonies(), &self.locals)
    }

    fn other_answers(&self, operator: usize) -> bool {
        self.targets
            .iter()
            .any(|t| t.is_other && t.operator == operator && t.mapped.is_some())
    }

    pub(super) fn law(&self, asker: &Asker, seen: &mapping::Verdict) -> Law {
        if seen.mapping == Mapping::None {
            return Law {
                allocation: Allocation::Preserving,
                ..Law::default()
            };
        }
        // The main socket's may have been mapped long ago, and only the first may keep its port.
        let mut own = self.mappings();
        for sample in &mut own {
            sample.in_turn = false;
        }
        if let Some(first) = own.first_mut() {
            first.internal = self.locals.first().map(SocketAddr::port);
        }
        let fresh = self.samples.iter().filter_map(|sample| {
            Some(Sample {
                internal: asker.port_of(sample.socket),
                external: sample.mapped?.port(),
                in_turn: sample.in_turn,
            })
        });
        ports::law(&own.into_iter().chain(fresh).collect::<Vec<_>>())
    }

    fn law_again(&self, mapping: Mapping) -> Law {
        match mapping {
            Mapping::AddressDependent | Mapping::AddressAndPortDependent => {
                ports::law(&self.mappings())
            }
            Mapping::Unknown | Mapping::None | Mapping::EndpointIndependent => Law::default(),
        }
    }

    /// The main socket's mappings to one server after another, each once.
    fn mappings(&self) -> Vec<Sample> {
        let mut seen: Vec<Sample> = Vec::new();
        for target in &self.targets {
            let Some(mapped) = target.mapped else {
                continue;
            };
            if seen.iter().all(|sample| sample.external != mapped.port()) {
                seen.push(Sample {
                    internal: None,
                    external: mapped.port(),
                    in_turn: target.in_turn,
                });
            }
        }
        seen
    }

    /// Silence counts where a NAT that sends it back would have let it in.
    fn hairpins(&self, mapping: Mapping, filter: Filtering) -> Option<bool> {
        let would_show = mapping == Mapping::EndpointIndependent
            || mapping != Mapping::Unknown && filter == Filtering::EndpointIndependent;
        if self.hairpin.arrived {
            Some(true)
        } else {
            (would_show && self.hairpin.silent()).then_some(false)
        }
    }
}

fn class(mapping: Mapping, filtering: Filtering, law: Law) -> NatClass {
    NatClass {
        mapping,
        filtering,
        allocation: law.allocation,
        stride: law.stride,
        block_first: law.block_first,
        block_len: law.block_len,
    }
}
