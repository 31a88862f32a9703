"""
The sample district of `attain demo`: school years simulated from a known truth.

`people` are its schools, classes and learners, `learning` is how they learn and how that shows, and `district` puts
both into the form that the commands send. Names and numbers are invented; nothing here knows the services.
"""
