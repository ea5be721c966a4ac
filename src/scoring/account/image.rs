//! An account as bytes, and back.

use super::Account;
use crate::scoring::image::{Image, ImageFault, put_time, time};
use crate::scoring::profile::Profile;
use crate::scoring::window::Window;

impl Account {
    /// Appends an [image](crate::scoring::image) of the account.
    pub fn put_image(&self, out: &mut Vec<u8>) {
        let Self {
            window,
            profile,
            latest,
        } = self;
        put_time(out, *latest);
        window.put_image(*latest, out);
        profile.put_image(out);
    }

    /// The account of an image.
    ///
    /// # Errors
    /// [`ImageFault`] where the bytes are none.
    pub fn from_image(bytes: &[u8]) -> Result<Self, ImageFault> {
        let mut image = Image::new(bytes);
        let latest = image.part("latest moment", time)?;
        let account = Self {
            window: Window::from_image(&mut image, latest)?,
            profile: Profile::from_image(&mut image)?,
            latest,
        };
        image.end().map(|()| account)
    }
}
