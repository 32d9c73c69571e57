"""The command that several tests look at the results of."""

LOSSES = ("softmax", "center", "triplet", "triplet_center")
FAST = ("--dataset", "digits", "--epochs", "2", "--tsne-iterations", "300", "--embedding-dim", "16")
