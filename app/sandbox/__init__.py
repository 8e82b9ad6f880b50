"""The other side of every order system, for the demo and the tests: who sends what, and when."""
