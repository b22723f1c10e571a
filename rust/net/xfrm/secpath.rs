// SPDX-License-Identifier: GPL-2.0

//! The states that a packet came through.
//!
//! A packet that was decrypted has a list of the states that did it, outermost first: its *security
//! path*, which is an extension of the packet. The policy check compares it with what the policies
//! ask for. A driver learns from it which connection a packet belongs to.
//!
//! The list is borrowed with the packet, and may be read in any context.
//!
//! C header: [`include/net/xfrm.h`](srctree/include/net/xfrm.h), `struct sec_path`
//!
//! # Examples
//!
//! ```
//! use crate::net::skb::SkBuff;
//!
//! /// The `if_id` of the connection, if the packet came through IPsec.
//! fn if_id(skb: &SkBuff) -> Option<u32> {
//!     Some(skb.connection()?.if_id())
//! }
//!
//! # let skb = crate::net::tests::packet::packet(&[0x45; 20])?;
//! // This one did not.
//! assert!(if_id(&skb).is_none());
//! assert!(skb.last_state().is_none());
//! assert!(!skb.is_unverified());
//! ```

use super::State;

use crate::{
    bindings,
    net::skb::SkBuff, //
};

impl SkBuff {
    /// The packet's security path, if it came through IPsec (`skb_sec_path()`).
    fn sec_path(&self) -> Option<&bindings::sec_path> {
        let path = self.ext_find(bindings::skb_ext_id_SKB_EXT_SEC_PATH)?;
        // SAFETY: Extensions with this number are of this type, and belong to the packet.
        Some(unsafe { path.cast().as_ref() })
    }

    /// The last of the IPsec states that the packet came through, and the one before it, if any.
    /// `None` if it came through none.
    fn last_states(&self) -> Option<(Option<&State>, &State)> {
        let path = self.sec_path()?;
        // SAFETY: The path holds references to its states.
        let state = |raw| unsafe { State::from_raw(raw) };
        match *path.xvec.get(..usize::from(path.len))? {
            [.., before, last] => Some((Some(state(before)), state(last))),
            [last] => Some((None, state(last))),
            [] => None,
        }
    }

    /// The last of the IPsec states that the packet came through, if it came through any.
    pub(crate) fn last_state(&self) -> Option<&State> {
        Some(self.last_states()?.1)
    }

    /// The IPsec state that says which connection the packet belongs to, if it came through any.
    ///
    /// That is the last one, with an exception. What IPComp did not compress comes last through a
    /// state that all connections between two addresses share. If another state protected the
    /// packet on its way, that one is the connection's own.
    pub(crate) fn connection(&self) -> Option<&State> {
        Some(self.connection_and_last_state()?.0)
    }

    /// What [`Self::connection`] and [`Self::last_state`] are.
    pub(crate) fn connection_and_last_state(&self) -> Option<(&State, &State)> {
        match self.last_states()? {
            (Some(before), last) if last.is_shared() && !before.is_tunnel() => Some((before, last)),
            (_, last) => Some((last, last)),
        }
    }

    /// Whether the packet came through IPsec, in software or in a device, and no policy check has
    /// seen all of its states yet.
    pub(crate) fn is_unverified(&self) -> bool {
        self.sec_path()
            .is_some_and(|path| path.len > path.verified_cnt || path.olen != 0)
    }
}
