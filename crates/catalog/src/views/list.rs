views! {
}
