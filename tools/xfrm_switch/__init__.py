# SPDX-License-Identifier: GPL-2.0
"""What xfrm-interface-switch is made of, a module for each subject."""
