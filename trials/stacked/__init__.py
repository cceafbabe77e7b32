"""Parts of training in which index 0 of every tensor is a trial: the rows of a cohort."""
