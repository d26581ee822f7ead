"""A user's own data as a data set: arrays, folders of images, event recordings; all of it checked
before anything is computed."""
