"""The models that are served in the race, each made afresh from one seed."""
