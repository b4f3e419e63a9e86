"""Labels of choices, the values that architectures give them, and conditions on them, in models of any framework."""
