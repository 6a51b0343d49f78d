alter sequence ticket owned by plain.id;
