"""Maps: a scene is cut into windows, each window is tagged like a chip, and the tags are written as polygons."""
