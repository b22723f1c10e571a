// SPDX-License-Identifier: GPL-2.0

//! Where routes lead, and what follows from it: whose a connection is.
//!
//! A route of a VRF's table that leads through the device to a connection claims it for the VRF.
//! Routes and VRFs come and go independently: a table may have routes before it has a VRF, and
//! several VRFs may share a table. Routes may also refer to nexthop objects, which lead elsewhere
//! at any time.
//!
//! All of it is called under the lock of [`claims`](super::claims), in any context but that of hard
//! interrupts. Nothing here sleeps.

use super::owners::{
    Owner,
    Owners, //
};

use crate::net::{
    fib_events::{
        Change,
        Prefix, //
    },
    netdevice::NetDevice,
    nexthop::{
        Nexthop,
        Path, //
    }, //
};

use kernel::{
    prelude::*,
    rbtree::RBTree,
    sync::{
        aref::ARef,
        rcu, //
    }, //
};

/// Where a route leads.
#[derive(Clone, Copy)]
pub(crate) enum Target<'a> {
    /// To a connection, by its `if_id`.
    Connection(u32),
    /// Wherever the nexthop object leads.
    Object(&'a Nexthop),
}

/// Where one of the routes to a prefix leads.
pub(crate) struct Lead<'a> {
    /// Tells the route from others to the prefix.
    pub(crate) route: usize,
    /// Where it leads.
    pub(crate) target: Target<'a>,
}

/// A [`Lead`] that is kept: by the `if_id`, or by the number of the object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Kept {
    route: usize,
    is_object: bool,
    number: u32,
}

impl Kept {
    /// The first in the order of those of a route.
    fn first_of(route: usize) -> Self {
        Self {
            route,
            is_object: false,
            number: 0,
        }
    }
}

/// Numbers, each once.
type Set = RBTree<u32, ()>;

/// A nexthop object that routes refer to.
struct Object {
    nexthop: ARef<Nexthop>,
    /// The connections that it led to when it was last looked at.
    if_ids: Set,
}

impl Object {
    /// The connections that an object leads to now, through `dev`. Fails for lack of memory.
    fn read(nexthop: &Nexthop, dev: &NetDevice, rcu: &rcu::Guard) -> Result<Set> {
        let mut if_ids = Set::new();
        for if_id in nexthop.paths(rcu).filter_map(|it| connection(&it, dev)) {
            if_ids.try_create_and_insert(if_id, (), GFP_ATOMIC)?;
        }
        Ok(if_ids)
    }
}

/// The connection that a nexthop leads to, through `dev`; `None` if it leads to none.
pub(crate) fn connection(path: &Path<'_>, dev: &NetDevice) -> Option<u32> {
    path.device().filter(|it| it.is(dev))?;
    Some(path.xfrm_info()?.if_id).filter(|if_id| *if_id != 0)
}

/// What is known. Pairs are in the order in which they are looked for.
#[derive(Default)]
pub(super) struct Known {
    /// How often routes to a prefix lead somewhere.
    routes: RBTree<(Prefix, Kept), usize>,
    /// The nexthop objects, by number.
    objects: RBTree<u32, Object>,
    /// Those of them that are changing:
    /// [`nexthop_changes()`](crate::net::net_namespace::Net::nexthop_changes) when that was told
    /// of. The change is done when it is another number.
    changing: RBTree<u32, u32>,
    /// The same number when a change of any object was told of last. It may concern an object to
    /// which the first route comes meanwhile: those of IPv6 do not wait for RTNL.
    announced: Option<u32>,
    /// How many routes of a table refer to an object, by object and table.
    uses: RBTree<(u32, u32), usize>,
    /// How many claims there are, by `if_id` and table.
    by_if_id: RBTree<(u32, u32), usize>,
    /// The same pairs, by table and `if_id`.
    by_table: RBTree<(u32, u32), ()>,
    /// The VRFs, by table and index.
    vrfs: RBTree<(u32, u32), ()>,
    /// The tables of VRFs, by index.
    tables: RBTree<u32, u32>,
}

/// The least key of `tree` that is not less than `from`.
fn next_key<K: Copy + Ord, V>(tree: &RBTree<K, V>, from: K) -> Option<K> {
    Some(*tree.cursor_lower_bound(&from)?.current().0)
}

/// The second part of the first pair in `tree` that begins with `first`, and goes on with `from` or
/// more.
fn next_second<V>(tree: &RBTree<(u32, u32), V>, first: u32, from: Option<u32>) -> Option<u32> {
    let (begin, second) = next_key(tree, (first, from?))?;
    (begin == first).then_some(second)
}

/// The second parts of the pairs in `tree` that begin with `first`.
fn seconds<V>(tree: &RBTree<(u32, u32), V>, first: u32) -> impl Iterator<Item = u32> + '_ {
    let mut from = Some(0);
    core::iter::from_fn(move || {
        let second = next_second(tree, first, from)?;
        from = second.checked_add(1);
        Some(second)
    })
}

/// Adds one to what `tree` counts under `key`. Returns whether it is the first. Fails with
/// `ENOMEM`.
fn count_up<K: Ord>(tree: &mut RBTree<K, usize>, key: K) -> Result<bool> {
    if let Some(count) = tree.get_mut(&key) {
        *count = count.saturating_add(1);
        return Ok(false);
    }
    tree.try_create_and_insert(key, 1, GFP_ATOMIC)?;
    Ok(true)
}

/// Takes one off what `tree` counts under `key`. Returns whether it was the last.
fn count_down<K: Ord>(tree: &mut RBTree<K, usize>, key: &K) -> bool {
    let Some(count) = tree.get_mut(key) else {
        return false;
    };
    *count = count.saturating_sub(1);
    *count == 0 && tree.remove(key).is_some()
}

/// Changes what is known, and the answers with it.
pub(super) struct Editor<'a> {
    pub(super) known: &'a mut Known,
    pub(super) owners: &'a Owners,
    pub(super) rcu: &'a rcu::Guard,
}

impl Editor<'_> {
    /// Whose the connection `if_id` is, by what is known.
    fn owner(&self, if_id: u32) -> Owner {
        let mut owner = Owner::None;
        for table in seconds(&self.known.by_if_id, if_id) {
            for ifindex in seconds(&self.known.vrfs, table) {
                owner = match owner {
                    // CAST: It was an index.
                    Owner::None => Owner::Vrf(ifindex as c_int),
                    _ => return Owner::Several,
                };
            }
        }
        owner
    }

    /// Has packets find whose the connection `if_id` is now. Fails for lack of memory.
    fn publish(&self, if_id: u32) -> Result {
        self.owners.assign(if_id, self.owner(if_id), self.rcu)
    }

    /// Has readers find whose the connections are that routes of `table` lead to.
    fn publish_table(&self, table: u32) -> Result {
        for if_id in seconds(&self.known.by_table, table) {
            self.publish(if_id)?;
        }
        Ok(())
    }

    /// Something in `table` leads to the connection `if_id`.
    fn claim(&mut self, table: u32, if_id: u32) -> Result {
        if !count_up(&mut self.known.by_if_id, (if_id, table))? {
            return Ok(());
        }
        let by_table = &mut self.known.by_table;
        by_table.try_create_and_insert((table, if_id), (), GFP_ATOMIC)?;
        self.publish(if_id)
    }

    /// What has led there from `table` does so no more.
    fn disclaim(&mut self, table: u32, if_id: u32) -> Result {
        if !count_down(&mut self.known.by_if_id, &(if_id, table)) {
            return Ok(());
        }
        self.known.by_table.remove(&(table, if_id));
        self.publish(if_id)
    }

    /// A route of `table` refers to the object `nexthop`.
    fn refer(&mut self, table: u32, nexthop: &Nexthop, dev: &NetDevice) -> Result {
        let id = nexthop.id();
        if self.known.objects.get(&id).is_none() {
            let object = Object {
                nexthop: nexthop.into(),
                if_ids: Object::read(nexthop, dev, self.rcu)?,
            };
            let objects = &mut self.known.objects;
            objects.try_create_and_insert(id, object, GFP_ATOMIC)?;
            let changes = dev.net(self.rcu).nexthop_changes();
            if self.known.announced == Some(changes) {
                self.object_changes(id, changes)?;
            }
        }
        if count_up(&mut self.known.uses, (id, table))? {
            self.for_if_ids(id, |this, if_id| this.claim(table, if_id))?;
        }
        Ok(())
    }

    /// A route of `table` refers to the object `id` no more.
    fn refer_no_more(&mut self, table: u32, id: u32) -> Result {
        if !count_down(&mut self.known.uses, &(id, table)) {
            return Ok(());
        }
        self.for_if_ids(id, |this, if_id| this.disclaim(table, if_id))?;
        if seconds(&self.known.uses, id).next().is_none() {
            self.known.objects.remove(&id);
        }
        Ok(())
    }

    /// Calls `f` with the connections that the object `id` led to when it was last looked at.
    fn for_if_ids(&mut self, id: u32, mut f: impl FnMut(&mut Self, u32) -> Result) -> Result {
        let Some(object) = self.known.objects.get_mut(&id) else {
            return Ok(());
        };
        let if_ids = core::mem::take(&mut object.if_ids);
        let result = if_ids.keys().try_for_each(|if_id| f(self, *if_id));
        if let Some(object) = self.known.objects.get_mut(&id) {
            object.if_ids = if_ids;
        }
        result
    }

    /// Something in `table` leads where `kept` says.
    fn add(&mut self, prefix: Prefix, lead: &Lead<'_>, dev: &NetDevice) -> Result<Kept> {
        let (is_object, number) = match lead.target {
            Target::Connection(if_id) => {
                self.claim(prefix.table, if_id)?;
                (false, if_id)
            }
            Target::Object(nexthop) => {
                self.refer(prefix.table, nexthop, dev)?;
                (true, nexthop.id())
            }
        };
        Ok(Kept {
            route: lead.route,
            is_object,
            number,
        })
    }

    /// Takes away what `prefix` is known to lead to: by the route `route`, or by all.
    fn remove(&mut self, prefix: Prefix, route: Option<usize>) -> Result {
        let from = (prefix, Kept::first_of(route.unwrap_or(0)));
        while let Some((found, kept)) = next_key(&self.known.routes, from) {
            if found != prefix || route.is_some_and(|route| route != kept.route) {
                break;
            }
            count_down(&mut self.known.routes, &(prefix, kept));
            if kept.is_object {
                self.refer_no_more(prefix.table, kept.number)?;
            } else {
                self.disclaim(prefix.table, kept.number)?;
            }
        }
        Ok(())
    }

    /// Whether it is known where the route `route` to `prefix` leads.
    fn knows(&self, prefix: Prefix, route: usize) -> bool {
        next_key(&self.known.routes, (prefix, Kept::first_of(route)))
            .is_some_and(|(found, kept)| found == prefix && kept.route == route)
    }

    /// The routes to `prefix` lead elsewhere, or are no more.
    pub(super) fn change<'l>(
        &mut self,
        change: Change,
        prefix: Prefix,
        leads: impl Iterator<Item = Lead<'l>>,
        dev: &NetDevice,
    ) -> Result {
        if change == Change::Delete {
            return leads
                .into_iter()
                .try_for_each(|lead| self.remove(prefix, Some(lead.route)));
        }
        // What is new comes first, so that a connection that stays is not without its VRF.
        let mut new = RBTree::new();
        for lead in leads {
            // Of ECMP routes the kernel also tells of those that were there before.
            if change == Change::Replace || !self.knows(prefix, lead.route) {
                count_up(&mut new, self.add(prefix, &lead, dev)?)?;
            }
        }
        if change == Change::Replace {
            self.remove(prefix, None)?;
        }
        for (kept, count) in &new {
            let routes = &mut self.known.routes;
            routes.try_create_and_insert((prefix, *kept), *count, GFP_ATOMIC)?;
        }
        Ok(())
    }

    /// Looks where the object `id` leads now.
    fn look_again(&mut self, id: u32, dev: &NetDevice) -> Result {
        let Some(object) = self.known.objects.get_mut(&id) else {
            return Ok(());
        };
        let new = Object::read(&object.nexthop, dev, self.rcu)?;
        let old = core::mem::replace(&mut object.if_ids, new);
        let mut from = Some(0);
        while let Some(table) = next_second(&self.known.uses, id, from) {
            from = table.checked_add(1);
            self.for_if_ids(id, |this, if_id| this.claim(table, if_id))?;
            for if_id in old.keys() {
                self.disclaim(table, *if_id)?;
            }
        }
        Ok(())
    }

    /// The object `id` is changing, if routes refer to it; `changes` is the number of changes so
    /// far.
    pub(super) fn object_changes(&mut self, id: u32, changes: u32) -> Result {
        self.known.announced = Some(changes);
        if self.known.objects.get(&id).is_some() {
            let changing = &mut self.known.changing;
            changing.try_create_and_insert(id, changes, GFP_ATOMIC)?;
        }
        Ok(())
    }

    /// Whether objects are changing that routes refer to.
    pub(super) fn is_changing(&self) -> bool {
        !self.known.changing.is_empty()
    }

    /// Looks where the objects that are changing lead. Those are done for which there have been
    /// more changes since.
    pub(super) fn settle(&mut self, changes: u32, dev: &NetDevice) -> Result {
        let mut from = Some(0);
        while let Some(id) = from.and_then(|from| next_key(&self.known.changing, from)) {
            from = id.checked_add(1);
            self.look_again(id, dev)?;
            if self.known.changing.get(&id) != Some(&changes) {
                self.known.changing.remove(&id);
            }
        }
        Ok(())
    }

    /// A VRF has come.
    pub(super) fn vrf_came(&mut self, ifindex: c_int, table: u32) -> Result {
        let ifindex = ifindex.unsigned_abs();
        let (vrfs, tables) = (&mut self.known.vrfs, &mut self.known.tables);
        vrfs.try_create_and_insert((table, ifindex), (), GFP_ATOMIC)?;
        tables.try_create_and_insert(ifindex, table, GFP_ATOMIC)?;
        self.publish_table(table)
    }

    /// A device goes. If it was a VRF, it is one no more.
    pub(super) fn vrf_went(&mut self, ifindex: c_int) -> Result {
        let ifindex = ifindex.unsigned_abs();
        let Some(table) = self.known.tables.remove(&ifindex) else {
            return Ok(());
        };
        self.known.vrfs.remove(&(table, ifindex));
        self.publish_table(table)
    }

    /// There are no routes. What was known of them is given to the caller, to be dropped.
    pub(super) fn forget_routes(&mut self) -> Result<Known> {
        let mut old = core::mem::take(self.known);
        core::mem::swap(&mut self.known.vrfs, &mut old.vrfs);
        core::mem::swap(&mut self.known.tables, &mut old.tables);
        for (if_id, _) in old.by_if_id.keys() {
            self.publish(*if_id)?;
        }
        Ok(old)
    }
}
