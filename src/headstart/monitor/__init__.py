"""New pictures without labels: drift, estimated accuracy, what to label next."""
