"""Labels of choices and conditions on them, in models of any framework."""
