// SPDX-License-Identifier: GPL-2.0
/*
 * Which states have been added since somebody last looked.
 *
 * The kernel has all states of a namespace in a list, new ones in front. Whoever goes through them
 * in several steps leaves a marker there, which is a state that is dead (struct xfrm_state_walk).
 * Ours stands in front of all states that were seen. It is as large as a state, since not everybody
 * who goes through the list looks whether it is one.
 */

#include <net/xfrm.h>

#include "datapath.h"

/*
 * Calls "added" with the if_id of each state in front of the marker, and puts the marker in front
 * of them all. Returns false if that can't be done since the marker has not been in the list, in
 * which it is then, or will never be again. In any context but that of hard interrupts, with no
 * lock of states held.
 */
bool datapath_states_added(struct net *net, struct xfrm_state *marker,
			   void (*added)(void *data, u32 if_id), void *data)
{
	struct xfrm_state_walk *walk;
	bool seen = false;

	spin_lock_bh(&net->xfrm.xfrm_state_lock);
	if (marker->km.seq)
		goto out;
	seen = !list_empty(&marker->km.all);
	if (seen) {
		list_for_each_entry(walk, &net->xfrm.state_all, all) {
			if (walk == &marker->km)
				break;
			/* A marker of somebody else's, or nothing that a look-up finds. */
			if (walk->state == XFRM_STATE_DEAD)
				continue;
			added(data, READ_ONCE(container_of(walk, struct xfrm_state, km)->if_id));
		}
	}
	/* Whoever sees the marker in front sees what was done about the states behind it. */
	smp_wmb();
	list_move(&marker->km.all, &net->xfrm.state_all);
out:
	spin_unlock_bh(&net->xfrm.xfrm_state_lock);
	return seen;
}

/* Takes the marker out of the list for good. As above. */
void datapath_states_leave(struct net *net, struct xfrm_state *marker)
{
	spin_lock_bh(&net->xfrm.xfrm_state_lock);
	marker->km.seq = 1;
	list_del_init(&marker->km.all);
	spin_unlock_bh(&net->xfrm.xfrm_state_lock);
}
