// SPDX-License-Identifier: GPL-2.0

//! The kernel's resizable hash table, with `u32` keys.
//!
//! Each table has a random seed, so nobody can choose keys that share a bucket. The table grows
//! with its contents. So the cost of a look-up does not depend on the number of entries.
//!
//! [`U32Table::get`] works in any context, in a critical section. [`U32Table::insert`] and
//! [`U32Table::remove`] take locks of the table, and work in process context and in softirqs. A
//! table is made and dropped in process context.
//!
//! C header: [`include/linux/rhashtable.h`](srctree/include/linux/rhashtable.h)
//!
//! # Examples
//!
//! ```
//! use crate::net::rhashtable::{
//!     Entry,
//!     U32Table, //
//! };
//!
//! use kernel::sync::rcu;
//!
//! let table = KBox::pin_init(U32Table::<&str>::new(), GFP_KERNEL)?;
//! // Memory is allocated before anything changes.
//! let (one, two) = (Entry::new(7, "one", GFP_KERNEL)?, Entry::new(7, "two", GFP_KERNEL)?);
//!
//! assert!(table.insert(one).is_ok());
//! // The key is taken.
//! assert!(table.insert(two) == Err(EEXIST));
//! assert!(table.get(7, &rcu::read_lock()) == Some(&"one"));
//!
//! // Readers who have found the entry may use it until they are done.
//! drop(table.remove(7));
//! assert!(table.get(7, &rcu::read_lock()).is_none());
//! ```

use super::atomic::read_once;

use crate::{
    bindings,
    net::rcu::RcuBox, //
};

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::{
    alloc::Flags,
    error::to_result,
    prelude::*,
    sync::rcu,
    types::Opaque, //
};

/// An entry, as the table has it. The C side knows only `link`, which comes first.
#[repr(C)]
struct Node<T> {
    link: Opaque<bindings::datapath_u32_node>,
    value: T,
}

// SAFETY: `link` is accessed by the table only, which has locks of its own for it.
unsafe impl<T: Send> Send for Node<T> {}
// SAFETY: As above.
unsafe impl<T: Sync> Sync for Node<T> {}

/// An entry that is in no table. To make one may fail for lack of memory; to insert it need not
/// allocate.
pub(crate) struct Entry<T: Send + Sync + 'static>(RcuBox<Node<T>>);

impl<T: Send + Sync + 'static> Entry<T> {
    /// Allocates an entry for `value` under `key`. Fails with `ENOMEM`.
    pub(crate) fn new(key: u32, value: T, flags: Flags) -> Result<Self> {
        let link = Opaque::new(bindings::datapath_u32_node {
            key,
            ..Default::default()
        });
        Ok(Self(RcuBox::new(Node { link, value }, flags)?))
    }
}

/// A hash table from `u32` to `T`, read under RCU (`struct rhashtable`). It has locks of its own for
/// writers, which may be in any context but that of hard interrupts.
///
/// # Invariants
///
/// `table` is initialised, and every node in it came from [`RcuBox::into_raw`] of a `Node<T>`.
#[pin_data(PinnedDrop)]
pub(crate) struct U32Table<T: Send + Sync + 'static> {
    #[pin]
    table: Opaque<bindings::rhashtable>,
    _owns: PhantomData<RcuBox<Node<T>>>,
}

// SAFETY: The table owns values that may be sent; `struct rhashtable` is not bound to a thread.
unsafe impl<T: Send + Sync + 'static> Send for U32Table<T> {}
// SAFETY: Readers get shared access to `Sync` values; writers are serialised by the table.
unsafe impl<T: Send + Sync + 'static> Sync for U32Table<T> {}

impl<T: Send + Sync + 'static> U32Table<T> {
    /// Makes an empty table (`rhashtable_init()`). Fails with `ENOMEM`.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // SAFETY: The slot is valid for writes, and pinned, as the table's deferred work needs.
            table <- Opaque::try_ffi_init(|slot| to_result(unsafe {
                bindings::datapath_u32_table_init(slot)
            })),
            _owns: PhantomData,
        })
    }

    /// Returns whether the table has no entries.
    #[inline]
    fn is_empty(&self) -> bool {
        // SAFETY: The table is initialised by the type invariant, and the number of its entries
        // atomic.
        unsafe { read_once(&raw const (*self.table.get()).nelems.counter) == 0 }
    }

    /// Returns the node with `key` (`rhashtable_lookup()`).
    #[inline]
    fn find(&self, key: u32) -> Option<NonNull<Node<T>>> {
        // Where one device carries all connections, this is all there is to do.
        if self.is_empty() {
            return None;
        }
        // SAFETY: The table is initialised by the type invariant.
        let link = unsafe { bindings::datapath_u32_table_lookup(self.table.get(), key) };
        // `link` is the first field of the `#[repr(C)]` structure.
        NonNull::new(link.cast::<Node<T>>())
    }

    /// Returns the value under `key`, if there is one. The reference is valid until the critical
    /// section ends.
    pub(crate) fn get<'g>(&self, key: u32, _rcu: &'g rcu::Guard) -> Option<&'g T> {
        let node = self.find(key)?;
        // SAFETY: The node is live for the critical section: it is freed through `RcuBox`.
        Some(unsafe { &node.as_ref().value })
    }

    /// Adds an entry (`rhashtable_lookup_insert_fast()`).
    ///
    /// Fails with `EEXIST` if its key is taken, and with `ENOMEM`, `E2BIG` or `EBUSY` if the table
    /// cannot take it. Then the entry is dropped.
    pub(crate) fn insert(&self, entry: Entry<T>) -> Result {
        let node = entry.0.into_raw();
        // SAFETY: The table is initialised, and the node is in no table and stays live in this one.
        let ret =
            unsafe { bindings::datapath_u32_table_insert(self.table.get(), node.as_ptr().cast()) };
        to_result(ret).inspect_err(|_| {
            // SAFETY: The pointer is from `into_raw` above, and the table did not take it.
            drop(unsafe { RcuBox::from_raw(node) });
        })
    }

    /// Removes the entry under `key` and returns it (`rhashtable_remove_fast()`). Readers may use
    /// it for a grace period after it was dropped.
    pub(crate) fn remove(&self, key: u32) -> Option<Entry<T>> {
        let rcu = rcu::read_lock();
        let node = self.find(key)?;
        // SAFETY: The table is initialised, and RCU keeps the node, which was in it. If it is not
        // any more, that is an error.
        let ret =
            unsafe { bindings::datapath_u32_table_remove(self.table.get(), node.as_ptr().cast()) };
        drop(rcu);
        to_result(ret).ok()?;
        // SAFETY: By the type invariant the pointer came from `into_raw`; it was just taken out.
        Some(Entry(unsafe { RcuBox::from_raw(node) }))
    }
}

#[pinned_drop]
impl<T: Send + Sync + 'static> PinnedDrop for U32Table<T> {
    fn drop(self: Pin<&mut Self>) {
        /// Drops a node of a table that goes.
        ///
        /// # Safety
        ///
        /// `link` is that of a node that the table gives up.
        unsafe extern "C" fn free<T: Send + Sync + 'static>(link: *mut c_void, _arg: *mut c_void) {
            if let Some(node) = NonNull::new(link.cast::<Node<T>>()) {
                // SAFETY: By the type invariant of the table, which gives up this node for good.
                drop(unsafe { RcuBox::from_raw(node) });
            }
        }

        // SAFETY: The table is initialised, and with exclusive access nobody else uses it.
        unsafe {
            bindings::rhashtable_free_and_destroy(
                self.table.get(),
                Some(free::<T>),
                core::ptr::null_mut(),
            )
        };
    }
}
