//! Which connections are warm.
//!
//! Each node keeps at most [`CONNECTIONS`] for the DHT; one that carried nothing for [`IDLE_MS`] is
//! closed, and the one unused for the longest makes room for another. A connection serves both of
//! its ends, and closing it closes it for both.

/// Connections a node keeps for the DHT alone.
pub const CONNECTIONS: usize = 128;
/// Milliseconds after which an unused connection is closed.
pub const IDLE_MS: u64 = 60_000;

/// The warm connections of all nodes.
#[derive(Debug, Default)]
pub struct Pools(Vec<Vec<Connection>>);

#[derive(Clone, Copy, Debug)]
struct Connection {
    peer: u32,
    /// Milliseconds since the world began, in 32 bits: 49 days.
    used: u32,
}

impl Pools {
    /// Room for one node more, which is connected to nobody.
    pub fn grow(&mut self) {
        self.0.push(Vec::new());
    }

    /// Uses the connection between `a` and `b` at `now`, and opens it when there is none.
    pub fn carry(&mut self, a: u32, b: u32, now: u64) {
        self.open(a, b, now);
        self.open(b, a, now);
    }

    /// Whether there is a connection between `a` and `b` that was used of late.
    #[must_use]
    pub fn is_warm(&self, a: u32, b: u32, now: u64) -> bool {
        let fresh = |connection: &Connection| {
            connection.peer == b && now - u64::from(connection.used) <= IDLE_MS
        };
        self.0[a as usize].iter().any(fresh)
    }

    /// Closes all connections of a node, as its end does.
    pub fn close(&mut self, node: u32) {
        for connection in core::mem::take(self.of(node)) {
            self.of(connection.peer).retain(|other| other.peer != node);
        }
    }

    fn open(&mut self, node: u32, peer: u32, now: u64) {
        let pool = self.of(node);
        if let Some(connection) = pool.iter_mut().find(|connection| connection.peer == peer) {
            connection.used = short(now);
            return;
        }
        let mut idlest = None;
        if pool.len() >= CONNECTIONS {
            let oldest = (0..pool.len()).min_by_key(|place| pool[*place].used);
            idlest = oldest.map(|place| pool.swap_remove(place));
        }
        pool.push(Connection {
            peer,
            used: short(now),
        });
        if let Some(idlest) = idlest {
            self.of(idlest.peer).retain(|other| other.peer != node);
        }
    }

    fn of(&mut self, node: u32) -> &mut Vec<Connection> {
        &mut self.0[node as usize]
    }
}

fn short(now: u64) -> u32 {
    u32::try_from(now).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pools(nodes: usize) -> Pools {
        let mut pools = Pools::default();
        (0..nodes).for_each(|_| pools.grow());
        pools
    }

    #[test]
    fn a_connection_is_warm_from_both_ends_until_it_was_idle_for_long() {
        let mut pools = pools(3);
        assert!(!pools.is_warm(0, 1, 0));
        pools.carry(0, 1, 0);
        assert!(pools.is_warm(1, 0, IDLE_MS));
        assert!(!pools.is_warm(0, 2, 5));
        assert!(!pools.is_warm(0, 1, IDLE_MS + 1));
    }

    #[test]
    fn the_idlest_makes_room_and_is_closed_at_both_ends() {
        let mut pools = pools(200);
        for peer in 1..=128 {
            pools.carry(0, peer, u64::from(peer));
        }
        pools.carry(0, 150, 200);
        assert!(!pools.is_warm(1, 0, 201), "the first was closed");
        assert!(!pools.is_warm(0, 1, 201), "at both ends");
        assert!(pools.is_warm(0, 3, 202));
    }

    #[test]
    fn a_node_that_ends_takes_its_connections_along() {
        let mut pools = pools(2);
        pools.carry(0, 1, 0);
        pools.close(1);
        assert!(!pools.is_warm(0, 1, 1));
    }
}
