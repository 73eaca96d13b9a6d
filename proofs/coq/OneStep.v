(* One step of a student that imitates a teacher.

   Teacher and student start from the same parameters th0 in R^k.  The teacher moves to th0 + e u; the
   student then takes one gradient step v(e) on the imitation loss  sum_x w_x L(f_x(th), f_x(th0 + e u)),
   with finitely many inputs x, weights w_x >= 0 and a compatible loss L.  Write J_x for the Jacobian of the
   outputs at th0 (`push` is J_x h) and H_x for the Hessian of the loss at agreement; K = sum_x w_x J_x^T H_x
   J_x is the generalised Gauss-Newton matrix (GGN), `ggn` is K h and `ggn_form` is <K h, h>.  It is shown,
   with the outputs differentiable at the single point th0, that
   - <v(e), u> = sum_x w_x <a(f_x(th0 + e u)) - a(f_x(th0)), J_x u>   (a is the link of the loss);
   - v(e) = e K u + o(e), and <v(e), u> = e <K u, u> + o(e) with <K u, u> >= 0;
   - if <K u, u> = 0 then <v(e), u> = 0 for every e, small or not; if <K u, u> > 0 then <v(e), u> > 0 for
     all small e > 0, and there is no third case;
   - when u is a negative multiple of the gradient of a trait loss LT, the second case makes the student's
     step lower LT: for small e > 0, and uniformly over all step sizes alpha in (0, alpha_max].  The rate is
     -(alpha / eta) <K u, u> for u = - eta grad LT(th0), that is -alpha eta <K g, g> with
     g = - grad LT(th0). *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses.
Open Scope R_scope.


(* k parameters, n outputs, m inputs; f x th is the vector of outputs at input number x *)
Definition jac (f : nat -> vec -> vec) (th : vec) (x i : nat) : vec := grad (fun th' => f x th' i) th.
Definition push (k : nat) (f : nat -> vec -> vec) (th : vec) (x : nat) (h : vec) : vec :=
  fun i => dot k (jac f th x i) h.                                                             (* J h *)
Definition ggn (k n m : nat) (H : vec -> nat -> vec) (w : nat -> R) (f : nat -> vec -> vec)
  (th h : vec) : vec :=
  fun j => rsum m (fun x => w x * rsum n (fun i => jac f th x i j * dot n (H (f x th) i) (push k f th x h))).
Definition ggn_form (k n m : nat) (H : vec -> nat -> vec) (w : nat -> R) (f : nat -> vec -> vec)
  (th h : vec) : R :=
  rsum m (fun x => w x * rsum n (fun i => dot n (H (f x th) i) (push k f th x h) * push k f th x h i)).

Definition teacher (th0 u : vec) (e : R) : vec := fun j => th0 j + e * u j.
Definition imitation (m : nat) (L : vec -> vec -> R) (w : nat -> R) (f : nat -> vec -> vec)
  (y : nat -> vec) (th : vec) : R :=
  rsum m (fun x => w x * L (f x th) (y x)).
Definition student_step (m : nat) (L : vec -> vec -> R) (w : nat -> R) (f : nat -> vec -> vec)
  (th0 u : vec) (e : R) : vec :=
  gstep (imitation m L w f (fun x => f x (teacher th0 u e))) th0.
Definition moved (th0 : vec) (alpha : R) (v : vec) : vec := fun j => th0 j + alpha * v j.

(* --- sums over inputs and outputs --- *)
Lemma wsum_nonneg m (w q : nat -> R) :
  (forall x, (x < m)%nat -> 0 <= w x) -> (forall x, (x < m)%nat -> 0 <= q x) ->
  0 <= rsum m (fun x => w x * q x).
Proof. intros Hw Hq. apply rsum_nonneg. intros x Hx. apply Rmult_le_pos; auto. Qed.

(* a vanishing weighted sum of nonnegative terms has no term with positive weight *)
Lemma wsum_zero m (w q : nat -> R) :
  (forall x, (x < m)%nat -> 0 <= w x) -> (forall x, (x < m)%nat -> 0 <= q x) ->
  rsum m (fun x => w x * q x) = 0 -> forall x, (x < m)%nat -> w x = 0 \/ q x = 0.
Proof.
  intros Hw Hq Z x Hx. apply Rmult_integral.
  apply (rsum_zero m (fun x => w x * q x)); try assumption.
  intros x' Hx'. apply Rmult_le_pos; auto.
Qed.

(* and a positive one has such a term *)
Lemma wsum_pos_iff m (w q : nat -> R) :
  (forall x, (x < m)%nat -> 0 <= w x) -> (forall x, (x < m)%nat -> 0 <= q x) ->
  (0 < rsum m (fun x => w x * q x) <-> exists x, (x < m)%nat /\ 0 < w x /\ 0 < q x).
Proof.
  intros Hw Hq. split.
  - induction m as [| p IH]; intros P.
    + simpl in P. lra.
    + simpl in P. destruct (Rlt_dec 0 (w p * q p)) as [Q | Q].
      * exists p. split; [lia |].
        assert (Wp := Hw p (Nat.lt_succ_diag_r p)). assert (Qp := Hq p (Nat.lt_succ_diag_r p)).
        split.
        -- destruct Wp as [Wp | Wp]; [exact Wp | rewrite <- Wp in Q; lra].
        -- destruct Qp as [Qp | Qp]; [exact Qp | rewrite <- Qp in Q; lra].
      * destruct IH as (x & Hx & W & S).
        -- intros x Hx. apply Hw. lia.
        -- intros x Hx. apply Hq. lia.
        -- lra.
        -- exists x. split; [lia | now split].
  - intros (x & Hx & W & Q). apply rsum_pos.
    + intros x' Hx'. apply Rmult_le_pos; auto.
    + exists x. split; [exact Hx | now apply Rmult_lt_0_compat].
Qed.

(* --- paths --- *)
Section Paths.
Variables (n m : nat) (L : vec -> vec -> R) (a : vec -> vec) (H : vec -> nat -> vec) (w : nat -> R).
Variables (z : nat -> vec) (g : nat -> R -> vec) (c : nat -> vec).
Hypothesis HL : compatible n L a H.
Hypothesis Hg : forall x i, (x < m)%nat -> (i < n)%nat -> rderiv (fun t => g x t i) (z x i) (c x i).

Lemma link_rderiv x i : (x < m)%nat -> (i < n)%nat ->
  rderiv (fun t => a (g x t) i) (a (z x) i) (dot n (H (z x) i) (c x)).
Proof.
  intros Hx Hi.
  apply (rderiv_comp n (fun z' => a z' i) (z x) (H (z x) i) (fun i' t => g x t i') (c x)).
  - now apply (comp_link n L a H HL).
  - intros i' Hi'. now apply Hg.
Qed.

Lemma pairing_rderiv (r : nat -> nat -> R) :
  rderiv (fun t => rsum m (fun x => w x * rsum n (fun i => (a (g x t) i - a (z x) i) * r x i))) 0
    (rsum m (fun x => w x * rsum n (fun i => dot n (H (z x) i) (c x) * r x i))).
Proof.
  eapply rderiv_eq.
  - apply rderiv_sum. intros x Hx. apply rderiv_scal, rderiv_sum. intros i Hi.
    apply (rderiv_ext (fun t => r x i * (a (g x t) i - a (z x) i))).
    + apply rderiv_scal, rderiv_minus; [now apply link_rderiv | apply rderiv_const].
    + intros t. ring.
  - cbv beta. apply rsum_zero_ext. intros x _. rewrite rsum_zero_ext; [ring |]. intros i _. ring.
  - cbv beta. apply rsum_ext. intros x _. f_equal. apply rsum_ext. intros i _. ring.
Qed.

Hypothesis Hw : forall x, (x < m)%nat -> 0 <= w x.

Lemma pairing_null : rsum m (fun x => w x * rsum n (fun i => dot n (H (z x) i) (c x) * c x i)) = 0 ->
  forall y, rsum m (fun x => w x * rsum n (fun i => (a (y x) i - a (z x) i) * c x i)) = 0.
Proof.
  intros Q y. apply rsum_zero_ext. intros x Hx.
  destruct (wsum_zero m w _ Hw (fun x' _ => comp_psd n L a H HL (z x') (c x')) Q x Hx) as [E | E].
  - rewrite E. ring.
  - rewrite (comp_null n L a H HL (z x) (c x) E (y x)). ring.
Qed.
End Paths.

(* The dichotomy for paths of outputs: only their right derivatives at 0 are needed. *)
Theorem path_dichotomy n m L a H w (g : nat -> R -> vec) (c : nat -> vec) :
  compatible n L a H -> (forall x, (x < m)%nat -> 0 <= w x) ->
  (forall x i, (x < m)%nat -> (i < n)%nat -> rderiv (fun t => g x t i) (g x 0 i) (c x i)) ->
  let align e := rsum m (fun x => w x * rsum n (fun i => (a (g x e) i - a (g x 0) i) * c x i)) in
  let q := rsum m (fun x => w x * rsum n (fun i => dot n (H (g x 0) i) (c x) * c x i)) in
  0 <= q /\ rderiv align 0 q /\
  (q = 0 -> forall e, align e = 0) /\
  (0 < q -> exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < align e).
Proof.
  intros HL Hw Hg align q.
  assert (D : rderiv align 0 q) by exact (pairing_rderiv n m L a H w (fun x => g x 0) g c HL Hg c).
  split; [| split; [exact D | split]].
  - apply wsum_nonneg; [exact Hw |]. intros x _. apply (comp_psd n L a H HL).
  - intros Q e. exact (pairing_null n m L a H w (fun x => g x 0) c HL Hw Q (fun x => g x e)).
  - intros Q. exact (rderiv_pos align q D Q).
Qed.

Section Network.
Variables (k n m : nat) (L : vec -> vec -> R) (a : vec -> vec) (H : vec -> nat -> vec).
Variables (w : nat -> R) (f : nat -> vec -> vec) (th0 : vec).
Hypothesis HL : compatible n L a H.
Hypothesis Hf : forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th => f x th i) th0.

Lemma jac_has_grad x i : (x < m)%nat -> (i < n)%nat -> has_grad k (fun th => f x th i) th0 (jac f th0 x i).
Proof. intros Hx Hi. unfold jac. apply grad_has. now apply Hf. Qed.

(* the gradient of the imitation loss, whatever the labels *)
Lemma imitation_has_grad y : has_grad k (imitation m L w f y) th0
  (fun j => rsum m (fun x => w x * rsum n (fun i => (a (f x th0) i - a (y x) i) * jac f th0 x i j))).
Proof.
  unfold imitation. apply has_grad_sum. intros x Hx. apply has_grad_scal.
  apply (has_grad_comp k n (fun z => L z (y x)) (fun i th => f x th i) th0
           (fun i => a (f x th0) i - a (y x) i) (fun i => jac f th0 x i)).
  - apply (comp_loss n L a H HL).
  - intros i Hi. now apply jac_has_grad.
Qed.

Lemma student_step_is u e j : (j < k)%nat -> student_step m L w f th0 u e j =
  rsum m (fun x => w x * rsum n (fun i => (a (f x (teacher th0 u e)) i - a (f x th0) i) * jac f th0 x i j)).
Proof.
  intros Hj. unfold student_step, gstep.
  rewrite (grad_eq k _ th0 _ (imitation_has_grad (fun x => f x (teacher th0 u e))) j Hj).
  cbv beta. rewrite <- rsum_opp. apply rsum_ext. intros x _.
  rewrite Ropp_mult_distr_r, <- rsum_opp. f_equal. apply rsum_ext. intros i _. ring.
Qed.

(* sum_j (sum_x w_x sum_i r_x,i J_x,i,j) h_j = sum_x w_x sum_i r_x,i (J_x h)_i *)
Lemma pull_dot (r : nat -> nat -> R) h :
  dot k (fun j => rsum m (fun x => w x * rsum n (fun i => r x i * jac f th0 x i j))) h
  = rsum m (fun x => w x * rsum n (fun i => r x i * push k f th0 x h i)).
Proof.
  rewrite (dot_sum_l k m (fun x j => w x * rsum n (fun i => r x i * jac f th0 x i j)) h).
  apply rsum_ext. intros x _.
  rewrite (dot_scal_l k (w x) (fun j => rsum n (fun i => r x i * jac f th0 x i j)) h). f_equal.
  rewrite (dot_sum_l k n (fun i j => r x i * jac f th0 x i j) h).
  apply rsum_ext. intros i _. exact (dot_scal_l k (r x i) (jac f th0 x i) h).
Qed.

(* The inner product of the student's step with the teacher's direction is a sum over outputs. *)
Theorem alignment u e : dot k (student_step m L w f th0 u e) u =
  rsum m (fun x => w x * rsum n (fun i =>
    (a (f x (teacher th0 u e)) i - a (f x th0) i) * push k f th0 x u i)).
Proof.
  rewrite <- pull_dot. apply dot_ext.
  - intros j Hj. now apply student_step_is.
  - reflexivity.
Qed.

Lemma ggn_pull h h' : dot k (ggn k n m H w f th0 h) h' =
  rsum m (fun x => w x * rsum n (fun i => dot n (H (f x th0) i) (push k f th0 x h) * push k f th0 x h' i)).
Proof.
  rewrite <- pull_dot. apply dot_ext.
  - intros j _. unfold ggn. apply rsum_ext. intros x _. f_equal. apply rsum_ext. intros i _. ring.
  - reflexivity.
Qed.

Lemma ggn_dot h : dot k (ggn k n m H w f th0 h) h = ggn_form k n m H w f th0 h.
Proof. exact (ggn_pull h h). Qed.

Lemma ggn_sym h h' : (forall z i j, (i < n)%nat -> (j < n)%nat -> H z i j = H z j i) ->
  dot k (ggn k n m H w f th0 h) h' = dot k (ggn k n m H w f th0 h') h.
Proof.
  intros S. rewrite !ggn_pull. apply rsum_ext. intros x _. f_equal.
  set (p := push k f th0 x h). set (p' := push k f th0 x h').
  rewrite (rsum_ext n _ (fun i => rsum n (fun j => H (f x th0) i j * p j * p' i))).
  - rewrite rsum_swap. apply rsum_ext. intros j Hj. unfold dot. rewrite <- rsum_scal_r.
    apply rsum_ext. intros i Hi. rewrite (S (f x th0) i j Hi Hj). ring.
  - intros i _. unfold dot. rewrite <- rsum_scal_r. reflexivity.
Qed.

Lemma ggn_form_nonneg h : (forall x, (x < m)%nat -> 0 <= w x) -> 0 <= ggn_form k n m H w f th0 h.
Proof. intros Hw. apply wsum_nonneg; [exact Hw |]. intros x _. apply (comp_psd n L a H HL). Qed.

(* outputs along the teacher's segment *)
Lemma teacher_rderiv u x i : (x < m)%nat -> (i < n)%nat ->
  rderiv (fun e => f x (teacher th0 u e) i) (f x th0 i) (push k f th0 x u i).
Proof.
  intros Hx Hi. unfold push, dot, teacher.
  apply (rderiv_comp k (fun th => f x th i) th0 (jac f th0 x i) (fun j e => th0 j + e * u j) u).
  - now apply jac_has_grad.
  - intros j _. apply rderiv_affine.
Qed.

(* The student's step is e K u + o(e), coordinate by coordinate. *)
Theorem student_step_rderiv u j : (j < k)%nat ->
  rderiv (fun e => student_step m L w f th0 u e j) 0 (ggn k n m H w f th0 u j).
Proof.
  intros Hj. eapply rderiv_eq.
  - eapply rderiv_ext.
    + apply (pairing_rderiv n m L a H w (fun x => f x th0) (fun x e => f x (teacher th0 u e))
               (fun x => push k f th0 x u) HL (fun x i => teacher_rderiv u x i) (fun x i => jac f th0 x i j)).
    + intros e. symmetry. now apply student_step_is.
  - reflexivity.
  - unfold ggn. apply rsum_ext. intros x _. f_equal. apply rsum_ext. intros i _. ring.
Qed.

(* The alignment of the student's step is <v(e), u> = e <K u, u> + o(e). *)
Theorem alignment_slope u :
  rderiv (fun e => dot k (student_step m L w f th0 u e) u) 0 (ggn_form k n m H w f th0 u).
Proof.
  eapply rderiv_ext.
  - exact (pairing_rderiv n m L a H w (fun x => f x th0) (fun x e => f x (teacher th0 u e))
             (fun x => push k f th0 x u) HL (fun x i => teacher_rderiv u x i) (fun x => push k f th0 x u)).
  - intros e. symmetry. apply alignment.
Qed.

(* Lemma 1: <K u, u> >= 0, and the form decides: if it is zero, <v(e), u> = 0 for every e; if it is positive,
   <v(e), u> > 0 for all small e > 0. *)
Theorem lemma_one u : (forall x, (x < m)%nat -> 0 <= w x) ->
  0 <= ggn_form k n m H w f th0 u /\
  (ggn_form k n m H w f th0 u = 0 -> forall e, dot k (student_step m L w f th0 u e) u = 0) /\
  (0 < ggn_form k n m H w f th0 u ->
     exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (student_step m L w f th0 u e) u).
Proof.
  intros Hw. split; [now apply ggn_form_nonneg | split].
  - intros Q e. rewrite alignment.
    exact (pairing_null n m L a H w (fun x => f x th0) (fun x => push k f th0 x u) HL Hw Q
             (fun x => f x (teacher th0 u e))).
  - intros Q. exact (rderiv_pos _ _ (alignment_slope u) Q).
Qed.

(* The rate of Theorem 1: for u = - grad LT(th0) the trait loss has slope -alpha <K u, u> along the student's
   step. *)
Theorem trait_loss_rate LT alpha : differentiable k LT th0 ->
  let u := gstep LT th0 in
  rderiv (fun e => LT (moved th0 alpha (student_step m L w f th0 u e))) (LT th0)
    (- (alpha * ggn_form k n m H w f th0 u)).
Proof.
  intros HT u. eapply rderiv_eq.
  - unfold moved. apply (rderiv_comp k LT th0 (grad LT th0)
      (fun j e => th0 j + alpha * student_step m L w f th0 u e j) (fun j => alpha * ggn k n m H w f th0 u j)).
    + now apply grad_has.
    + intros j Hj. eapply rderiv_eq.
      * apply rderiv_plus; [apply rderiv_const | apply rderiv_scal, student_step_rderiv; exact Hj].
      * ring.
      * ring.
  - reflexivity.
  - rewrite <- ggn_dot. unfold dot. rewrite <- rsum_scal, <- rsum_opp.
    apply rsum_ext. intros j _. change (u j) with (- grad LT th0 j). ring.
Qed.

(* the student's step is O(e) *)
Lemma student_step_bound u : exists K e0, 0 < K /\ 0 < e0 /\
  forall e, 0 < e < e0 -> nrm k (student_step m L w f th0 u e) <= K * e.
Proof.
  set (B := fun j => Rabs (ggn k n m H w f th0 u j) + 1).
  assert (C : forall p, (p <= k)%nat -> exists e0, 0 < e0 /\
    forall e, 0 < e < e0 -> rsum p (fun j => Rabs (student_step m L w f th0 u e j)) <= rsum p B * e).
  { induction p as [| p IH]; intros Hp.
    - exists 1. split; [lra |]. intros e He. simpl. lra.
    - destruct IH as (e1 & He1 & P1); [lia |].
      destruct (student_step_rderiv u p Hp 1 Rlt_0_1) as [d Hd].
      exists (Rmin e1 d). split; [apply Rmin_pos; [exact He1 | apply cond_pos] |].
      intros e [He He'].
      assert (A1 := Rlt_le_trans _ _ _ He' (Rmin_l e1 d)).
      assert (A2 := Rlt_le_trans _ _ _ He' (Rmin_r e1 d)).
      specialize (P1 e (conj He A1)). simpl. rewrite Rmult_plus_distr_r. apply Rplus_le_compat; [exact P1 |].
      assert (Q : Rabs (student_step m L w f th0 u e p - 0 - ggn k n m H w f th0 u p * e) <= 1 * e).
      { apply Hd; [| exact He]. unfold ball; simpl; unfold AbsRing_ball, abs, minus, plus, opp; simpl.
        rewrite Rabs_pos_eq; lra. }
      replace (student_step m L w f th0 u e p)
        with ((student_step m L w f th0 u e p - 0 - ggn k n m H w f th0 u p * e)
              + ggn k n m H w f th0 u p * e)
        by ring.
      eapply Rle_trans; [apply Rabs_triang |]. rewrite (Rabs_mult _ e), (Rabs_pos_eq e) by lra.
      unfold B. lra. }
  destruct (C k (le_n k)) as (e0 & He0 & P). exists (rsum k B + 1), e0.
  assert (NB : 0 <= rsum k B).
  { apply rsum_nonneg. intros j _. unfold B. assert (X := Rabs_pos (ggn k n m H w f th0 u j)). lra. }
  split; [lra | split; [exact He0 |]]. intros e He.
  eapply Rle_trans; [apply nrm_le_sum |]. specialize (P e He). lra.
Qed.

(* Theorem 1 with one threshold for all step sizes: if the teacher moves along a negative multiple of the
   gradient of the trait loss, then either the student's step is orthogonal to it at every e, or, for all
   small e > 0, it goes along it and lowers the trait loss at every step size up to amax. *)
Theorem theorem_one_uniform LT eta amax :
  (forall x, (x < m)%nat -> 0 <= w x) -> differentiable k LT th0 -> 0 < eta -> 0 < amax ->
  let u := fun j => eta * gstep LT th0 j in
  let v := student_step m L w f th0 u in
  (ggn_form k n m H w f th0 u = 0 /\ forall e, dot k (v e) u = 0) \/
  (0 < ggn_form k n m H w f th0 u /\ exists e0, 0 < e0 /\ forall e, 0 < e < e0 ->
     0 < dot k (v e) u /\ forall alpha, 0 < alpha <= amax -> LT (moved th0 alpha (v e)) < LT th0).
Proof.
  intros Hw HT He Ha u v. destruct (lemma_one u Hw) as [[P | Z] [L0 _]];
    [right | left; symmetry in Z; split; [exact Z | exact (L0 Z)]].
  split; [exact P |]. set (q := ggn_form k n m H w f th0 u) in *.
  destruct (student_step_bound u) as (K & e1 & HK & He1 & B).
  destruct (alignment_slope u (q / 2) ltac:(lra)) as [e2 A].
  assert (G := grad_has k LT th0 HT).
  assert (Hr : 0 < q / (4 * eta * K)) by (apply Rdiv_lt_0_compat; [exact P | apply Rmult_lt_0_compat; lra]).
  destruct (G _ Hr) as (d & Hd & D). clear G.
  exists (Rmin (Rmin e1 e2) (d / (amax * K))).
  assert (HaK : 0 < amax * K) by (apply Rmult_lt_0_compat; lra).
  split.
  { apply Rmin_pos; [apply Rmin_pos; [exact He1 | apply cond_pos] | now apply Rdiv_lt_0_compat]. }
  intros e [E0 E].
  assert (E1 : e < e1) by (eapply Rlt_le_trans; [exact E | eapply Rle_trans; [apply Rmin_l | apply Rmin_l]]).
  assert (E2 : e < e2) by (eapply Rlt_le_trans; [exact E | eapply Rle_trans; [apply Rmin_l | apply Rmin_r]]).
  assert (E3 : e < d / (amax * K)) by (eapply Rlt_le_trans; [exact E | apply Rmin_r]).
  specialize (B e (conj E0 E1)). fold (v e) in B.
  assert (S : q / 2 * e <= dot k (v e) u).
  { assert (T : Rabs (dot k (v e) u - 0 - q * e) <= q / 2 * e).
    { apply A; [| exact E0]. unfold ball; simpl; unfold AbsRing_ball, abs, minus, plus, opp; simpl.
      rewrite Rabs_pos_eq; lra. }
    apply Rabs_le_between in T. lra. }
  assert (Qe : 0 < q * e) by (now apply Rmult_lt_0_compat).
  split; [lra |]. intros al [Al0 Al1].
  assert (N : nrm k (vsub (moved th0 al (v e)) th0) = al * nrm k (v e)).
  { rewrite <- (Rabs_pos_eq al) at 2 by lra. rewrite <- nrm_scal. apply nrm_ext.
    intros j _. unfold vsub, moved. ring. }
  assert (Nn := nrm_nonneg k (v e)).
  assert (Ns : al * nrm k (v e) < d).
  { apply Rle_lt_trans with (amax * (K * e)).
    - apply Rmult_le_compat; lra.
    - apply (Rmult_lt_compat_l (amax * K)) in E3; [| exact HaK].
      replace (amax * K * (d / (amax * K))) with d in E3 by (field; split; lra). lra. }
  assert (F := D (moved th0 al (v e))). rewrite N in F. specialize (F Ns).
  assert (X : dot k (grad LT th0) (vsub (moved th0 al (v e)) th0) = - (al / eta * dot k (v e) u)).
  { unfold dot. rewrite <- rsum_scal, <- rsum_opp. apply rsum_ext. intros j _.
    unfold vsub, moved, u, gstep. field. lra. }
  rewrite X in F. apply Rabs_le_between in F. destruct F as [_ F].
  assert (Y1 : al / eta * (q / 2 * e) <= al / eta * dot k (v e) u).
  { apply Rmult_le_compat_l; [apply Rlt_le, Rdiv_lt_0_compat; lra | exact S]. }
  assert (Y2 : q / (4 * eta * K) * (al * nrm k (v e)) <= q / (4 * eta * K) * (al * (K * e))).
  { apply Rmult_le_compat_l; [lra |]. apply Rmult_le_compat_l; lra. }
  replace (q / (4 * eta * K) * (al * (K * e))) with (al / eta * (q * e) / 4) in Y2 by (field; split; lra).
  assert (Y3 : 0 < al / eta * (q * e)) by (apply Rmult_lt_0_compat; [apply Rdiv_lt_0_compat; lra | exact Qe]).
  lra.
Qed.

(* Theorem 1: either the student's step is orthogonal to the teacher's direction for every e, or for all small
   e > 0 it goes along it and lowers the trait loss. *)
Theorem theorem_one LT eta alpha :
  (forall x, (x < m)%nat -> 0 <= w x) -> differentiable k LT th0 -> 0 < eta -> 0 < alpha ->
  let u := fun j => eta * gstep LT th0 j in
  let v := student_step m L w f th0 u in
  (forall e, dot k (v e) u = 0) \/
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (v e) u /\ LT (moved th0 alpha (v e)) < LT th0.
Proof.
  intros Hw HT He Ha u v.
  destruct (theorem_one_uniform LT eta alpha Hw HT He Ha) as [[_ Z] | [_ (e0 & He0 & P)]].
  - left. exact Z.
  - right. exists e0. split; [exact He0 |]. intros e E. destruct (P e E) as [P1 P2].
    split; [exact P1 | apply P2; lra].
Qed.
End Network.
